//! Calls that are recorded.

use super::*;

fn file(text: &str) -> Template {
    Template::compile(text, Field::OF_FILES).unwrap()
}

pub(super) fn keep() -> KeepRules {
    KeepRules {
        name: file("{caller_number}_{agent_extension}"),
        give_up_after: SignedDuration::from_secs(600),
        attach: true,
        shown: file("recording_{time}"),
        comment: template("Recording of {caller_number}"),
        public: false,
    }
}

fn rules_that_record(way: RecordingWay) -> RecordingRules {
    RecordingRules { way, file: file("/monitor/{call_id}.wav"), room: true, keep: keep() }
}

fn house_that_records(way: RecordingWay) -> Rules {
    recording(rules_that_record(way))
}

fn recording(recording: RecordingRules) -> Rules {
    let recording = Some(Arc::new(recording));
    with_each_group(house(), |group| group.recording.clone_from(&recording))
}

pub(super) fn with_each_group(mut rules: Rules, change: impl Fn(&mut Group)) -> Rules {
    let mut groups = Groups::default();
    for (way, group) in rules.groups.iter() {
        let mut group = Group::clone(group);
        change(&mut group);
        groups.add(way.clone(), Arc::new(group));
    }
    rules.groups = groups;
    rules
}

const FILE: &str = "/monitor/main_1795292763.0.wav";

fn records(file: &str) -> Act {
    hears(Event::RecordingStarted { file: file.to_owned() })
}

fn kept(seq: u32) -> Act {
    let file = KeptRecording {
        name: "2026/11/x.wav".to_owned(),
        bytes: 16_044,
        sha256: "00".repeat(32),
        seconds: Some(1),
        source: None,
    };
    Act::Does(seq, Event::RecordingKept { files: vec![file] })
}

/// A known caller speaks with 201 from second 5 on.
fn talks(rest: &[Line]) -> Vec<Line> {
    let mut story = vec![(0, arrives(MAX), ""), (0, joins("support"), "look up"), (0, found(7), "")];
    story.extend_from_slice(rest);
    story
}

#[test]
fn a_recording_begins_at_the_answer_survives_a_transfer_and_is_kept_and_attached_once() {
    let told = tell(
        &house_that_records(RecordingWay::Start),
        &talks(&[
            (5, answers("201"), "start; 1 ticket person 7 at 201"),
            (5, records(FILE), ""),
            (5, stands(1), ""),
            (7, answers("203"), "2 pop 203; 3 change of 203"),
            (7, popped(2, "203"), ""),
            (7, changed(3), ""),
            (9, caller_hangs_up(), "4 keep; ended answered"),
            (10, kept(4), "5 attach"),
            (11, Act::Does(5, Event::RecordingAttached { address: None }), ""),
            (39, Act::Waits, "closed"),
        ]),
    );
    let Task::KeepRecording(sought) = &told.owed[&4].task else { panic!("{:?}", told.owed) };
    assert_eq!((&sought.files[..], &*sought.name), (&[FILE.to_owned()][..], "+493023125111_203"));
    assert_eq!(sought.give_up, at(609));
    let Task::AttachRecording(attachment) = &told.owed[&5].task else { panic!("{:?}", told.owed) };
    assert_eq!((attachment.ticket, attachment.files.len()), (TicketId(35_436), 1));
    assert!(
        attachment.name.starts_with("recording_") && !attachment.name.contains("23125111"),
        "{attachment:?}"
    );
}

#[test]
fn the_record_of_the_call_leads_to_the_recording_when_both_are_there() {
    for record_first in [true, false] {
        let rules = Rules { records: true, ..house_that_records(RecordingWay::Start) };
        let mut told = Told::new(rules);
        for act in [arrives(MAX), joins("support"), found(7), answers("201"), records(FILE), stands(1)] {
            told.act(5, &act);
        }
        // Owed: 2 keep, 3 the record.
        told.act(9, &caller_hangs_up());
        let recorded = |told: &Told| {
            let is = |work: &&Work| matches!(work.task, Task::RecordCall(_));
            told.owed.values().find(is).unwrap().seq
        };
        let keeps = |told: &Told| {
            let is = |work: &&Work| matches!(work.task, Task::KeepRecording(_));
            told.owed.values().find(is).unwrap().seq
        };
        let (record, keep) = (recorded(&told), keeps(&told));
        let written = Act::Does(record, Event::CallRecorded { record: RecordId(17) });
        let address = Some("https://x/attachments/token/y".to_owned());
        let attached = |told: &mut Told| {
            told.act(10, &kept(keep));
            let is = |work: &&Work| matches!(work.task, Task::AttachRecording(_));
            let seq = told.owed.values().find(is).unwrap().seq;
            told.act(11, &Act::Does(seq, Event::RecordingAttached { address: address.clone() }))
        };
        let last = if record_first {
            told.act(10, &written);
            attached(&mut told)
        } else {
            attached(&mut told);
            told.act(12, &written)
        };
        let owed: Vec<String> = last.effects.iter().map(short).collect();
        let completes = owed.iter().filter(|owed| owed.contains("complete 17 by https://x/attachments"));
        assert_eq!(completes.count(), 1, "{record_first}: {owed:?}");
    }
}

#[test]
fn a_pbx_that_will_not_record_is_told_once_and_owes_nothing() {
    let told = tell(
        &house_that_records(RecordingWay::Start),
        &talks(&[
            (5, answers("201"), "start; 1 ticket person 7 at 201"),
            (5, hears(Event::RecordingFailed { reason: "Permission denied".to_owned() }), ""),
            (5, stands(1), ""),
            (9, caller_hangs_up(), "ended answered"),
            (39, Act::Waits, "closed"),
        ]),
    );
    assert_eq!(told.lines.iter().filter(|line| line.why == "Permission denied").count(), 1);
}

#[test]
fn what_the_pbx_records_by_itself_is_sought_by_the_name_it_tells_or_by_the_admins() {
    for (tells, sought_at) in [(true, "/var/spool/q.wav"), (false, "/monitor/main_1795292763.0.wav")] {
        let mut told = Told::new(house_that_records(RecordingWay::Find));
        for act in [arrives(MAX), joins("support"), found(7), answers("201"), stands(1)] {
            told.act(5, &act);
        }
        if tells {
            told.act(6, &records("/var/spool/q.wav"));
        }
        told.act(9, &caller_hangs_up());
        let Task::KeepRecording(sought) = &told.owed[&2].task else { panic!("{:?}", told.owed) };
        assert_eq!(sought.files, [sought_at]);
    }
}

#[test]
fn a_recording_that_never_came_is_told_in_the_ticket() {
    let missing = Event::RecordingMissing { reason: "no such file".to_owned() };
    let told = tell(
        &house_that_records(RecordingWay::Find),
        &talks(&[
            (5, answers("201"), "1 ticket person 7 at 201"),
            (5, stands(1), ""),
            (9, caller_hangs_up(), "2 keep; ended answered"),
            (39, Act::Waits, ""),
            (609, Act::Does(2, missing), "3 change with comment"),
            (610, changed(3), "closed"),
        ]),
    );
    let Task::UpdateTicket { change, .. } = &told.owed[&3].task else { panic!("{:?}", told.owed) };
    assert!(change.comment.as_deref().unwrap().contains("no such file"), "{change:?}");
}

#[test]
fn recordings_that_stay_at_home_are_kept_and_not_attached() {
    let mut kept_at_home = rules_that_record(RecordingWay::Find);
    kept_at_home.keep.attach = false;
    tell(
        &recording(kept_at_home),
        &talks(&[
            (5, answers("201"), "1 ticket person 7 at 201"),
            (5, stands(1), ""),
            (9, caller_hangs_up(), "2 keep; ended answered"),
            (10, kept(2), ""),
            (39, Act::Waits, "closed"),
        ]),
    );
}

#[test]
fn a_disk_that_is_nearly_full_stops_what_runs_and_begins_nothing_until_there_is_room() {
    let roomy = house_that_records(RecordingWay::Start);
    let full = recording(RecordingRules { room: false, ..rules_that_record(RecordingWay::Start) });
    let mut told = Told::new(roomy.clone());
    for act in [arrives(MAX), joins("support"), found(7), answers("201"), records(FILE)] {
        told.act(5, &act);
    }
    let step = told.call.on_time(at(6), &full);
    assert_eq!(step.effects, [Effect::Record(RecordingOrder::Stop)]);
    assert_eq!(told.call.on_time(at(7), &full).effects, [], "once");
    assert_eq!(told.call.resume(at(7), &full).effects, [], "after a restart as well");
    let step = told.call.on_time(at(8), &roomy);
    let further = "/monitor/main_1795292763.0-2.wav".to_owned();
    assert_eq!(step.effects, [Effect::Record(RecordingOrder::Start { file: further.clone() })]);
    told.act(8, &records(&further));
    // What was recorded is kept, in its parts.
    let step = told.act(9, &caller_hangs_up());
    assert!(step.effects.iter().any(|effect| short(effect).ends_with("keep")), "{step:?}");
    let keeps = |work: &&Work| matches!(work.task, Task::KeepRecording(_));
    let Some(Work { task: Task::KeepRecording(sought), .. }) = told.owed.values().find(keeps) else {
        panic!()
    };
    assert_eq!(sought.files, [FILE.to_owned(), further]);

    let told = tell(
        &full,
        &talks(&[
            (5, answers("201"), "1 ticket person 7 at 201"),
            (5, stands(1), ""),
            (9, caller_hangs_up(), "ended answered"),
            (39, Act::Waits, "closed"),
        ]),
    );
    assert!(told.lines.iter().any(|line| line.why == "the disk is nearly full"), "{:?}", told.lines);
}

#[test]
fn calls_of_groups_that_are_not_recorded_are_not_whatever_the_pbx_does() {
    tell(
        &house(),
        &talks(&[
            (5, answers("201"), "1 ticket person 7 at 201"),
            (5, records("/var/spool/q.wav"), ""),
            (5, stands(1), ""),
            (9, caller_hangs_up(), "ended answered"),
            (39, Act::Waits, "closed"),
        ]),
    );
}
