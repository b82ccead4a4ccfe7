//! The log-in, the limits and what is kept secret.

use super::house::*;

#[tokio::test]
async fn a_token_that_ends_in_the_middle_is_renewed_once() {
    let sandbox = sandbox().await;
    let zendesk = client(&sandbox);
    zendesk.login().await.unwrap();
    sandbox.set_fault("revoke_tokens", "1").unwrap();
    zendesk.deliver(&create(draft(Requester::Person(PETRA))), FIRST, &House::default()).await.unwrap();
    assert_eq!(tickets(&sandbox).len(), 1);
    assert_eq!(zendesk.counters().tokens.load(Relaxed), 2);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_many_askers_fetch_one() {
    let clock = Clock::standing_at("2026-11-26T10:00:00Z".parse().unwrap());
    let sandbox =
        Sandbox::start(SandboxOptions { clock: clock.clone(), ..SandboxOptions::default() }).await.unwrap();
    let zendesk = Zendesk::new(options(&sandbox), clock.clone()).unwrap();
    let logins = tokio::join!(zendesk.login(), zendesk.login(), zendesk.login());
    assert!(logins.0.is_ok() && logins.1.is_ok() && logins.2.is_ok());
    assert_eq!(zendesk.counters().tokens.load(Relaxed), 1);
    clock.set(clock.now() + 29.minutes());
    zendesk.login().await.unwrap();
    assert_eq!(zendesk.counters().tokens.load(Relaxed), 2);
    assert_eq!(zendesk.counters().refused.load(Relaxed), 0, "no request was sent with an old token");
}

#[tokio::test]
async fn a_refused_login_is_told_with_the_way_out_and_not_hammered() {
    let clock = Clock::standing_at("2026-11-26T10:00:00Z".parse().unwrap());
    let sandbox =
        Sandbox::start(SandboxOptions { clock: clock.clone(), ..SandboxOptions::default() }).await.unwrap();
    let credentials = Credentials::ClientCredentials {
        client_id: "ringdesk".to_owned(),
        client_secret: "wrong".into(),
        scope: "read write".to_owned(),
    };
    let zendesk = Zendesk::new(Options { credentials, ..options(&sandbox) }, clock.clone()).unwrap();
    let CrmError::LoginRefused(text) = zendesk.login().await.unwrap_err() else { panic!("refused") };
    assert!(text.contains("client_secret") && !text.contains("wrong"), "{text}");
    let seen = || sandbox.state()["requests"].as_array().unwrap().len();
    assert_eq!(seen(), 1);
    let error =
        zendesk.deliver(&create(draft(Requester::DefaultUser)), FIRST, &House::default()).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Wait(wait) if wait == Duration::from_secs(10)), "{error:?}");
    assert!(matches!(zendesk.login().await, Err(CrmError::LoginRefused(_))));
    assert_eq!(seen(), 1, "nothing was asked meanwhile");
    clock.set(clock.now() + 10.seconds());
    assert!(matches!(zendesk.login().await, Err(CrmError::LoginRefused(_))));
    assert_eq!(seen(), 2);
}

#[tokio::test]
async fn a_wait_holds_the_whole_account() {
    let clock = Clock::standing_at("2026-11-26T10:00:00Z".parse().unwrap());
    let sandbox =
        Sandbox::start(SandboxOptions { clock: clock.clone(), ..SandboxOptions::default() }).await.unwrap();
    let zendesk = Zendesk::new(options(&sandbox), clock.clone()).unwrap();
    let (work, house) = (create(draft(Requester::Person(PETRA))), House::default());
    for (fault, header, seconds) in [("429", json!(7), 7), ("429", json!("none"), 10), ("503", json!(30), 30)]
    {
        zendesk.login().await.unwrap();
        sandbox.set_faults([("retry_after", header), (fault, json!("1"))]).unwrap();
        let wait = Duration::from_secs(seconds);
        let seen = requests(&sandbox).len();
        let error = zendesk.deliver(&work, FIRST, &house).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Wait(told) if told == wait), "{error:?}");
        assert!(matches!(zendesk.roster().await, Err(CrmError::Wait(told)) if told == wait));
        assert_eq!(requests(&sandbox).len(), seen + 1, "nobody asks meanwhile");
        clock.set(clock.now() + i64::try_from(seconds).unwrap().seconds());
    }
    zendesk.deliver(&work, FIRST, &house).await.unwrap();
    assert_eq!(tickets(&sandbox).len(), 1);
}

#[tokio::test]
async fn an_api_token_works_and_says_when_it_ends() {
    let sandbox = sandbox().await;
    let token = |token: &str| Credentials::ApiToken {
        email: "anna.weber@example.com".to_owned(),
        token: token.into(),
    };
    let with =
        |credentials| Zendesk::new(Options { credentials, ..options(&sandbox) }, Clock::system()).unwrap();
    let zendesk = with(token("sandbox-api-token"));
    let login = zendesk.login().await.unwrap();
    assert_eq!((login.user.id, login.role.as_str()), (PersonId(ANNA), "agent"));
    assert!(login.warnings.iter().any(|warning| warning.contains("2027-04-30")), "{:?}", login.warnings);
    zendesk.deliver(&create(draft(Requester::Person(PETRA))), FIRST, &House::default()).await.unwrap();
    for anonymous in ["401", "anonymous"] {
        sandbox.set_fault("wrong_token_me", anonymous).unwrap();
        let error = with(token("wrong")).login().await.unwrap_err();
        assert!(matches!(&error, CrmError::LoginRefused(text) if text.contains("api_token")), "{error:?}");
    }
    clean(&sandbox);
}

#[tokio::test]
async fn background_work_leaves_the_last_fifth_of_the_minute_to_the_calls() {
    let sandbox = sandbox().await;
    let zendesk = client(&sandbox);
    sandbox.set_faults([("plan", json!("100")), ("foreign_traffic", json!(85))]).unwrap();
    zendesk.login().await.unwrap();
    assert!(matches!(zendesk.export_people(None).await, Err(CrmError::Wait(_))));
    zendesk.deliver(&create(draft(Requester::Person(PETRA))), FIRST, &House::default()).await.unwrap();
    assert_eq!(requests(&sandbox).len(), 2);
}

#[test]
fn a_client_shows_no_secret_and_refuses_to_speak_in_the_clear() {
    let options = |url: &str| Options {
        url: url.parse().unwrap(),
        credentials: Credentials::ApiToken { email: "a@example.com".to_owned(), token: "hush".into() },
        voice: Voice::Auto,
        voice_known: None,
        request_timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(1),
        requests_per_minute: 1,
        max_in_flight: 1,
        phone_fields: Vec::new(),
        show: Vec::new(),
        calls_app_id: None,
        numbers: numbers(),
    };
    let error = Zendesk::new(options("http://example.zendesk.com"), Clock::system()).unwrap_err();
    assert!(error.to_string().contains("https://"), "{error}");
    let zendesk = Zendesk::new(options("https://example.zendesk.com"), Clock::system()).unwrap();
    assert!(!format!("{zendesk:?} {:?}", options("https://x.zendesk.com")).contains("hush"));
}

#[tokio::test]
async fn a_hundred_calls_at_once_share_the_lines_and_none_is_lost() {
    let sandbox = sandbox().await;
    sandbox.set_fault("limits", "off").unwrap();
    let (zendesk, house) = (client(&sandbox), House::default());
    let calls = (0..100).map(|number| {
        let mut draft = draft(Requester::Person(PETRA));
        draft.external_id = format!("ringdesk:main/{number}");
        create(draft)
    });
    let calls: Vec<Work> = calls.collect();
    let mut waiting: Vec<_> =
        calls.iter().map(|work| Box::pin(zendesk.deliver(work, FIRST, &house))).collect();
    let background = Box::pin(zendesk.export_people(None));
    // All are begun before any is waited for; those dropped half way give their lines back.
    for delivery in &mut waiting {
        assert!(
            std::future::poll_fn(|cx| std::task::Poll::Ready(delivery.as_mut().poll(cx).is_pending())).await
        );
    }
    drop(waiting.split_off(90));
    for delivery in waiting {
        delivery.await.unwrap();
    }
    background.await.unwrap();
    assert_eq!(tickets(&sandbox).len(), 90);
}

std::thread_local! {
    /// What this thread has logged. The subscriber is the process's: one for a thread alone would
    /// miss lines, because what a place in the code may log is remembered for all threads together.
    static PAGE: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

struct Page;

impl std::io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        PAGE.with_borrow_mut(|page| page.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_tells_each_request_and_neither_secrets_nor_numbers() {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(|| Page)
        .init();
    let sandbox = sandbox().await;
    sandbox.set_fault("no_tpe", "403").unwrap();
    let zendesk = client(&sandbox);
    zendesk.login().await.unwrap();
    zendesk.search("+493023125111".parse().unwrap(), Urgency::LookUp).await.unwrap();
    zendesk.deliver(&create(draft(newcomer())), FIRST, &House::default()).await.unwrap();
    sandbox.set_fault("reset_before", "1").unwrap();
    let error = zendesk.search("+493023125111".parse().unwrap(), Urgency::LookUp).await.unwrap_err();
    let mut told = ringdesk::causes::in_lines(&error);
    told.push_str(&String::from_utf8(PAGE.take()).unwrap());
    for line in [
        "/users/search",
        "/oauth/tokens",
        "path=\"/tickets\"",
        "duration_ms=",
        "status=201",
        "no Talk Partner",
    ] {
        assert!(told.contains(line), "{line} in {told}");
    }
    assert_eq!(told.matches("no Talk Partner").count(), 1);
    for hidden in ["sandbox-secret", "Bearer", "23125111", "555123"] {
        assert!(!told.contains(hidden), "{hidden} in {told}");
    }
}
