use proptest::prelude::*;

use super::*;

fn house(country: &str, area_code: Option<&str>) -> Normaliser {
    house_with(country, area_code, "", 4)
}

fn house_with(country: &str, area_code: Option<&str>, strip_prefix: &str, internal_digits: u8) -> Normaliser {
    Normaliser::new(NumberRules {
        country: country.to_owned(),
        area_code: area_code.map(str::to_owned),
        strip_prefix: strip_prefix.to_owned(),
        internal_digits,
    })
    .unwrap()
}

/// A caller as one word: the number, `int:201`, `withheld` or `unreadable`.
fn word(caller: Caller) -> String {
    match caller {
        Caller::Withheld => "withheld".to_owned(),
        Caller::Number(number) => number.to_string(),
        Caller::Internal(extension) => format!("int:{}", extension.as_str()),
        Caller::Unreadable(_) => "unreadable".to_owned(),
    }
}

#[test]
fn every_way_to_write_a_german_number_reads_the_same() {
    let berlin = house_with("DE", Some("30"), "", 6);
    let same = [
        "+493023125111",
        "+49 30 23125111",
        "+49 (0)30 23125-111",
        "+49(0)30/23125111",
        "+49 0 30 23125111",
        "+49-30-23125-111",
        "+49.30.23125.111",
        "(+49) 30 23125111",
        "++493023125111",
        "+00493023125111",
        "+03023125111",
        "00493023125111",
        "0049 30 23125111",
        "0049 (0)30 23125111",
        "0049 0 30 23125111",
        "03023125111",
        "030/23125111",
        "030 / 23125-111",
        "030 231 25 111",
        "(030) 23125-111",
        "030-23125~111",
        "23125111",
        "23125-111",
        "493023125111",
        "sip:+493023125111@trunk.example.net;user=phone",
        "<sip:03023125111@10.0.0.1:5060>",
        "\"Weber\" <sip:00493023125111@host>",
        "tel:+49-30-23125-111",
        "tel:23125111;phone-context=+4930",
        "sip:%2B493023125111@host",
        "+４９３０２３１２５１１１",
        "０３０２３１２５１１１",
        "\u{202A}+49 30\u{00A0}23125\u{2011}111\u{202C}",
        "0\u{0}3023125111\u{0}",
        "  03023125111\r\n",
    ];
    for sent in same {
        // A line end is a separator in a field, and is cut off at the end of what a PBX sent.
        assert_eq!(word(berlin.read(sent.trim_end())), "+493023125111", "{sent:?}");
        assert_eq!(berlin.e164(sent).map(|n| n.to_string()).as_deref(), Some("+493023125111"), "{sent:?}");
    }
}

#[test]
fn what_a_pbx_sends_is_read_by_the_rules_of_the_house() {
    /// Country, area code, line prefix, longest extension, sent, expected.
    type Row = (&'static str, Option<&'static str>, &'static str, u8, &'static str, &'static str);
    let table: &[Row] = &[
        // Extensions and short codes.
        ("DE", Some("30"), "", 6, "201", "int:201"),
        ("DE", Some("30"), "", 6, "20-1", "int:201"),
        ("DE", Some("30"), "", 6, "sip:201@pbx.local", "int:201"),
        ("DE", Some("30"), "", 6, "231251", "int:231251"),
        ("DE", Some("30"), "", 5, "231251", "+4930231251"),
        ("DE", Some("30"), "", 3, "116117", "unreadable"),
        ("DE", Some("30"), "", 2, "110", "unreadable"),
        ("DE", Some("30"), "", 3, "11833", "unreadable"),
        ("DE", Some("30"), "", 6, "+101", "unreadable"),
        ("DE", Some("30"), "", 6, "+49110", "unreadable"),
        // Feature codes, names, rubbish.
        ("DE", Some("30"), "", 6, "*21#", "unreadable"),
        ("DE", Some("30"), "", 6, "*31#03023125111", "unreadable"),
        ("DE", Some("30"), "", 6, "#", "unreadable"),
        ("DE", Some("30"), "", 6, "anna.desk", "unreadable"),
        ("DE", Some("30"), "", 6, "0800REISEN", "unreadable"),
        ("DE", Some("30"), "", 6, "030 2312\u{FFFD}5111", "unreadable"),
        ("DE", Some("30"), "", 6, "123456789012345678901234567890", "unreadable"),
        ("DE", Some("30"), "", 6, "0", "withheld"),
        ("DE", Some("30"), "", 6, "000000", "withheld"),
        ("DE", Some("30"), "", 6, "anonymous", "withheld"),
        ("DE", Some("30"), "", 6, "", "withheld"),
        // Without an area code nothing is made up.
        ("DE", None, "", 6, "2312512", "unreadable"),
        ("DE", None, "", 6, "231251234", "unreadable"),
        ("DE", None, "", 6, "02312512", "+492312512"),
        // The country code without a plus, as some providers send it (sipgate).
        ("DE", None, "", 6, "493023125111", "+493023125111"),
        ("DE", Some("30"), "", 6, "4930231251", "+4930231251"),
        ("DE", Some("30"), "", 6, "4917123456789", "+4917123456789"),
        ("DE", Some("30"), "", 6, "49302312", "+493049302312"),
        ("DE", Some("30"), "", 6, "49023125", "+493049023125"),
        // National without the trunk zero (ISDN, type of number "national").
        ("DE", None, "", 6, "3023125111", "+493023125111"),
        ("DE", None, "", 6, "17123456789", "+4917123456789"),
        // The digit for an outside line in front.
        ("DE", Some("30"), "0", 6, "00721123456", "+49721123456"),
        ("DE", Some("30"), "0", 6, "00049721123456", "+49721123456"),
        ("DE", Some("30"), "0", 6, "+49721123456", "+49721123456"),
        ("DE", Some("30"), "0", 6, "02312512", "+49302312512"),
        ("DE", Some("30"), "0", 6, "201", "int:201"),
        ("US", Some("212"), "9", 4, "92125550123", "+12125550123"),
        ("US", Some("212"), "9", 4, "9115", "int:9115"),
        // The same without the rule is not guessed.
        ("DE", Some("30"), "", 6, "00721123456", "unreadable"),
        // Area codes as admins write them.
        ("DE", Some("030"), "", 6, "2312512", "+49302312512"),
        ("DE", Some("(030)"), "", 6, "2312512", "+49302312512"),
        ("de", Some("7141"), "", 6, "1234567", "+4971411234567"),
        // Other countries' numbers.
        ("DE", Some("30"), "", 6, "0041446681800", "+41446681800"),
        ("DE", Some("30"), "", 6, "+390236618300", "+390236618300"),
        ("DE", Some("30"), "", 6, "00390236618300", "+390236618300"),
        ("DE", Some("30"), "", 6, "0012125550123", "+12125550123"),
        ("DE", Some("30"), "", 6, "+8613800138000", "+8613800138000"),
        // International services, and a plus that no table knows.
        ("DE", Some("30"), "", 6, "+80012345678", "+80012345678"),
        ("DE", Some("30"), "", 6, "+999123456789", "+999123456789"),
        ("DE", Some("30"), "", 6, "00999123456789", "unreadable"),
    ];
    for (country, area_code, strip_prefix, internal_digits, sent, expected) in table {
        let house = house_with(country, *area_code, strip_prefix, *internal_digits);
        assert_eq!(word(house.read(sent)), *expected, "{country} {area_code:?} {strip_prefix:?} {sent:?}");
    }
}

#[test]
fn sixteen_countries_dial_their_own_way() {
    let table: &[(&str, Option<&str>, &str, &str)] = &[
        // Austria: trunk 0, numbers of any length.
        ("AT", Some("1"), "01 5880010123", "+4315880010123"),
        ("AT", Some("1"), "5880010123", "+4315880010123"),
        ("AT", Some("1"), "0664 1234567", "+436641234567"),
        ("AT", Some("1"), "+43 (0)1 58800-10123", "+4315880010123"),
        ("AT", Some("316"), "8730", "int:8730"),
        ("AT", Some("316"), "87300", "+4331687300"),
        // Switzerland: closed plan with trunk 0.
        ("CH", None, "044 668 18 00", "+41446681800"),
        ("CH", None, "446681800", "+41446681800"),
        ("CH", None, "0041 44 668 18 00", "+41446681800"),
        ("CH", None, "+41 (0)44 668 18 00", "+41446681800"),
        ("CH", None, "41446681800", "+41446681800"),
        // Italy: the leading 0 belongs to the number, mobiles have none.
        ("IT", None, "02 3661 8300", "+390236618300"),
        ("IT", None, "+39 02 3661 8300", "+390236618300"),
        ("IT", None, "312 345 6789", "+393123456789"),
        ("IT", None, "0039 06 698 12345", "+390669812345"),
        ("IT", None, "0049 30 23125111", "+493023125111"),
        // North America: 10 digits, 1 in front or not, 011 abroad.
        ("US", Some("212"), "212-555-0123", "+12125550123"),
        ("US", Some("212"), "(212) 555-0123", "+12125550123"),
        ("US", Some("212"), "1 212 555 0123", "+12125550123"),
        ("US", Some("212"), "12125550123", "+12125550123"),
        ("US", Some("212"), "5550123", "+12125550123"),
        ("US", None, "5550123", "unreadable"),
        ("US", Some("212"), "011 49 30 23125111", "+493023125111"),
        ("US", Some("212"), "00493023125111", "+493023125111"),
        ("CA", Some("416"), "4165550123", "+14165550123"),
        // France: closed plan with trunk 0.
        ("FR", None, "01 42 68 53 00", "+33142685300"),
        ("FR", None, "142685300", "+33142685300"),
        ("FR", None, "+33 (0)1 42 68 53 00", "+33142685300"),
        ("FR", None, "0033142685300", "+33142685300"),
        // United Kingdom: trunk 0, local numbers where the area code is known.
        ("GB", Some("20"), "020 7946 0000", "+442079460000"),
        ("GB", Some("20"), "7946 0000", "+442079460000"),
        ("GB", Some("20"), "07912 345678", "+447912345678"),
        ("GB", Some("20"), "7912345678", "+447912345678"),
        ("GB", Some("20"), "+44 (0)20 7946 0000", "+442079460000"),
        // Netherlands.
        ("NL", Some("20"), "020-1234567", "+31201234567"),
        ("NL", Some("20"), "1234567", "+31201234567"),
        ("NL", Some("20"), "201234567", "+31201234567"),
        ("NL", Some("20"), "06 12345678", "+31612345678"),
        // Belgium.
        ("BE", None, "02 512 34 56", "+3225123456"),
        ("BE", None, "0470 12 34 56", "+32470123456"),
        // Spain, Portugal, Poland, Denmark, Czechia: no trunk prefix at all.
        ("ES", None, "912 345 678", "+34912345678"),
        ("ES", None, "34912345678", "+34912345678"),
        ("ES", None, "0034 912 345 678", "+34912345678"),
        ("PT", None, "21 234 5678", "+351212345678"),
        ("PL", None, "22 123 45 67", "+48221234567"),
        ("PL", None, "48221234567", "+48221234567"),
        ("DK", None, "33 12 34 56", "+4533123456"),
        ("DK", None, "0045 33123456", "+4533123456"),
        ("CZ", None, "221 234 567", "+420221234567"),
        // Hungary: trunk 06.
        ("HU", Some("1"), "06 1 234 5678", "+3612345678"),
        ("HU", Some("1"), "06 30 123 4567", "+36301234567"),
        ("HU", Some("1"), "234 5678", "+3612345678"),
        ("HU", Some("1"), "301234567", "+36301234567"),
        ("HU", Some("1"), "+36 (06) 1 234 5678", "+3612345678"),
        // Russia: trunk 8, abroad 810.
        ("RU", Some("495"), "8 495 123-45-67", "+74951234567"),
        ("RU", Some("495"), "123-45-67", "+74951234567"),
        ("RU", Some("495"), "+7 (8) 495 123-45-67", "+74951234567"),
        ("RU", Some("495"), "810 49 30 23125111", "+493023125111"),
        // Sweden, Turkey, Australia: trunk 0, abroad 0011 in Australia.
        ("SE", Some("8"), "08-123 456 78", "+46812345678"),
        ("TR", None, "0212 345 67 89", "+902123456789"),
        ("AU", None, "02 9374 4000", "+61293744000"),
        ("AU", None, "0011 49 30 23125111", "+493023125111"),
    ];
    for (country, area_code, sent, expected) in table {
        let house = house(country, *area_code);
        assert_eq!(word(house.read(sent)), *expected, "{country} {area_code:?} {sent:?}");
        let in_crm = house.e164(sent).map(|number| number.to_string());
        let expected = expected.starts_with('+').then(|| (*expected).to_owned());
        assert_eq!(in_crm, expected, "{country} {area_code:?} {sent:?} in the CRM");
    }
}

#[test]
fn numbers_in_the_crm_are_found_as_people_write_them() {
    let berlin = house_with("DE", Some("30"), "0", 6);
    let table: &[(&str, &[&str])] = &[
        ("+493023125111x12", &["+493023125111"]),
        ("+49 30 23125111 ext. 12", &["+493023125111"]),
        ("030 23125 Durchwahl 111", &["+493023125"]),
        ("030 23125111 App. 4", &["+493023125111"]),
        ("+49 30 23125111 (privat)", &["+493023125111"]),
        ("Tel.: 030 23125111", &["+493023125111"]),
        ("Tel2: 030 23125111", &["+493023125111"]),
        ("030 23125111 / 0171 2345678", &["+493023125111", "+491712345678"]),
        ("+49 30 23125111/+49 171 2345678", &["+493023125111", "+491712345678"]),
        ("030 23125111; mobil 0171 2345678", &["+493023125111", "+491712345678"]),
        ("030 23125111\n0171 2345678", &["+493023125111", "+491712345678"]),
        ("030 23125111,,1234567#", &["+493023125111"]),
        ("030 23125111, 030 23125111", &["+493023125111"]),
        ("*31#030 23125111", &["+493023125111"]),
        ("tel:+49-30-23125-111;ext=12", &["+493023125111"]),
        // The line prefix is the PBX's; in the CRM `0721…` is a national number.
        ("0721 123456", &["+49721123456"]),
        ("+48 (0)22 123 45 67", &["+48221234567"]),
        ("201", &[]),
        ("anonymous", &[]),
        ("", &[]),
        ("n/a", &[]),
        ("anna49301234567@example.com", &[]),
    ];
    for (text, expected) in table {
        let found: Vec<String> = berlin.numbers(text).iter().map(E164::to_string).collect();
        assert_eq!(found, *expected, "{text:?}");
    }
}

#[test]
fn a_number_is_written_for_people_in_its_countrys_groups() {
    let berlin = house("DE", Some("30"));
    for (number, expected) in [
        ("+493023125111", "+49 30 23125111"),
        ("+41446681800", "+41 44 668 18 00"),
        ("+12125550123", "+1 212-555-0123"),
        ("+390236618300", "+39 02 3661 8300"),
        ("+999123456789", "+999123456789"),
    ] {
        assert_eq!(berlin.spoken(number.parse().unwrap()), expected);
    }
}

#[test]
fn wrong_rules_are_refused_with_the_way_out() {
    let rules = |country: &str, area_code: &str, strip_prefix: &str| {
        let rules = NumberRules {
            country: country.to_owned(),
            area_code: Some(area_code.to_owned()),
            strip_prefix: strip_prefix.to_owned(),
            internal_digits: 6,
        };
        Normaliser::new(rules).unwrap_err().to_string()
    };
    let country = rules("Germany", "30", "");
    assert!(country.contains("`Germany`") && country.contains("\"DE\""), "{country}");
    assert!(rules("XX", "30", "").contains("`XX`"));
    let area_code = rules("DE", "Berlin", "");
    assert!(area_code.contains("`Berlin`") && area_code.contains("\"30\""), "{area_code}");
    assert!(rules("DE", "30", "0-").contains("`0-`"));
}

#[test]
fn the_fingerprint_changes_with_every_rule() {
    let of = |country, area, strip, internal| house_with(country, area, strip, internal).fingerprint();
    let all = [
        of("DE", Some("30"), "", 6),
        of("AT", Some("30"), "", 6),
        of("DE", Some("89"), "", 6),
        of("DE", None, "", 6),
        of("DE", Some("30"), "0", 6),
        of("DE", Some("30"), "", 4),
    ];
    let different: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len());
    assert_eq!(of("DE", Some("030"), "", 6), all[0], "the same rule in another spelling");
}

#[test]
fn a_huge_text_is_refused_without_being_read() {
    let berlin = house("DE", Some("30"));
    for unit in ["0", "+49", "030 ", "x", "ü", "\u{0}", "(", "/ 0"] {
        let huge = unit.repeat(64 * 1024 / unit.len());
        match berlin.read(&huge) {
            Caller::Unreadable(kept) => assert!(kept.chars().count() <= 64),
            other => panic!("{unit:?} became {other:?}"),
        }
        assert_eq!(berlin.numbers(&huge), []);
    }
}

/// An example of every kind of number of every country that the tables know.
fn examples() -> Vec<E164> {
    use rlibphonenumber::PhoneNumberType::{FixedLine, Mobile, TollFree, UAN, VoIP};
    let mut examples = Vec::new();
    for region in PHONE_NUMBER_UTIL.get_supported_regions() {
        for kind in [FixedLine, Mobile, TollFree, VoIP, UAN] {
            if let Ok(phone) = PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, kind) {
                examples.extend(e164_of(&phone));
            }
        }
    }
    assert!(examples.len() > 500, "{}", examples.len());
    examples
}

#[test]
fn an_example_of_every_country_reads_as_itself_in_every_house() {
    for house in [house("DE", Some("30")), house("US", None), house("IT", None), house("HU", Some("1"))] {
        for number in examples() {
            assert_eq!(house.read(&number.to_string()), Caller::Number(number));
            let spoken = house.spoken(number);
            assert_eq!(house.e164(&spoken), Some(number), "{spoken}");
        }
    }
}

fn any_house() -> impl Strategy<Value = Normaliser> {
    let houses = [
        ("DE", Some("30"), "", 6),
        ("DE", None, "0", 3),
        ("US", Some("212"), "9", 4),
        ("IT", None, "", 4),
        ("HU", Some("1"), "", 0),
        ("BR", Some("11"), "", 4),
        ("AR", Some("11"), "", 4),
        ("MX", None, "", 4),
    ];
    prop::sample::select(
        houses.map(|(country, area, strip, internal)| house_with(country, area, strip, internal)).to_vec(),
    )
}

proptest! {
    #[test]
    fn no_text_panics_and_what_was_read_reads_the_same_again(house in any_house(), sent in any::<String>()) {
        stands(&house, &sent)?;
    }

    #[test]
    fn no_text_of_telephone_signs_panics(house in any_house(), sent in "[0-9+ ()/.;x*#<>@:=-]{0,40}") {
        stands(&house, &sent)?;
    }

    #[test]
    fn any_row_of_digits_reads_the_same_again(house in any_house(), sent in "(\\+|00|0)?[0-9]{0,17}") {
        stands(&house, &sent)?;
    }
}

fn stands(house: &Normaliser, sent: &str) -> Result<(), TestCaseError> {
    for number in house.read(sent).e164().into_iter().chain(house.numbers(sent)) {
        prop_assert_eq!(house.read(&number.to_string()), Caller::Number(number));
        prop_assert_eq!(house.e164(&number.to_string()), Some(number));
        prop_assert_eq!(number.to_string().parse::<E164>(), Ok(number));
        house.spoken(number);
    }
    if let Caller::Internal(extension) = house.read(sent) {
        prop_assert_eq!(house.read(extension.as_str()), Caller::Internal(extension.clone()));
    }
    Ok(())
}
