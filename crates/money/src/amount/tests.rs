use proptest::prelude::*;

use super::*;

fn amount(json: &str) -> Result<Amount, serde_json::Error> {
    serde_json::from_str(json)
}

#[test]
fn numbers_and_decimal_strings_are_amounts() {
    for (json, out) in [
        ("100000", "100000"),
        ("50000.5", "50000.5"),
        ("\"50000.50\"", "50000.5"),
        ("1e5", "100000"),
        ("1.5E+3", "1500"),
        ("12345e-2", "123.45"),
        ("0.01", "0.01"),
        ("\"0.01\"", "0.01"),
        ("10.00", "10"),
        ("1.000e3", "1000"),
        ("999999999999999", "999999999999999"),
        ("9999999999999.99", "9999999999999.99"),
    ] {
        assert_eq!(serde_json::to_string(&amount(json).unwrap()).unwrap(), out);
    }
}

#[test]
fn what_is_worked_out_may_have_more_digits_than_what_is_asked_for() {
    #[derive(Deserialize)]
    struct Part {
        #[serde(deserialize_with = "Amount::worked_out")]
        amount: Amount,
    }
    let part = |amount: &str| serde_json::from_str(&format!("{{\"amount\":{amount}}}")).map(|part: Part| part.amount);
    for text in ["0.01", "10000000000000.99", "999999999999999.99"] {
        assert_eq!(part(text).unwrap().to_string(), text);
    }
    for text in ["0", "-1", "0.001", "1000000000000000"] {
        assert!(part(text).is_err(), "{text}");
    }
}

#[test]
fn anything_else_is_refused_and_nothing_is_rounded() {
    for json in [
        "0",
        "-1",
        "0.001",
        "1.005",
        "1e400",
        "1e-3",
        "1e15",
        "1000000000000000",
        "99999999999999.99",
        "\"abc\"",
        "\"\"",
        "\"1_000\"",
        "\"+1\"",
        "\"1,000\"",
        "\" 1\"",
        "\"NaN\"",
        "\"1e\"",
        "\".5\"",
        "\"5.\"",
        "null",
        "true",
        "[]",
        "{}",
        "1.0000000000000000000000000000004e0",
        "1e",
        "1e+",
        "1e99999999999999999999",
        "\"\\u0031\"",
        "0.00000000000000000000000000000000001",
        "\"1e2\"",
        "\"007\"",
        "\"00.5\"",
        "\"1.5.0\"",
    ] {
        assert!(amount(json).is_err(), "{json}");
    }
}

#[test]
fn what_may_be_meant_as_thousands_is_refused_with_a_hint() {
    for json in ["10.000", "\"10.000\"", "\"1.500\"", "1.500", "0.001", "1.005", "1e-3", "12345e-5"] {
        let refused = amount(json).unwrap_err().to_string();
        assert!(refused.contains("ten thousand is 10000"), "{json}: {refused}");
    }
}

#[test]
fn a_filter_may_begin_at_nothing() {
    let bound = |text: &str| serde_json::from_value::<AmountBound>(text.into()).map(|AmountBound(money)| money);
    assert_eq!(bound("0").unwrap(), Money::ZERO);
    assert_eq!(bound("0.00").unwrap(), Money::ZERO);
    assert_eq!(bound("10.5").unwrap().to_string(), "10.5");
    for bad in ["", "-1", "0.000", "1e2", "10.000", "00"] {
        assert!(bound(bad).is_err(), "{bad}");
    }
}

#[test]
fn money_for_people() {
    let show = |json: &str| serde_json::from_str::<Money>(json).unwrap().display("IDR");
    assert_eq!(show("100000"), "Rp 100,000");
    assert_eq!(show("1234567.5"), "Rp 1,234,567.50");
    assert_eq!(show("-999"), "-Rp 999");
    assert_eq!(Money::from(10).display("USD"), "USD 10");
}

#[test]
fn the_limits_are_as_wide_as_documented_and_survive_json_and_arithmetic() {
    assert_eq!(MAX_BALANCE.to_string(), "99999999999999999.99");
    let json = serde_json::to_string(&MAX_STORED).unwrap();
    assert_eq!(json, "99999999999999999999999999.99");
    assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), MAX_STORED);
    let cent: Money = serde_json::from_str("0.01").unwrap();
    assert_eq!((MAX_STORED + cent).to_string(), "100000000000000000000000000");
    assert_eq!(MAX_STORED + MAX_STORED - MAX_STORED, MAX_STORED);
}

proptest! {
    #[test]
    fn any_amount_survives_json_unchanged(cents in 1_i64..10_i64.pow(15)) {
        let value = Amount::try_from(Decimal::new(cents, 2)).unwrap();
        let json = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(amount(&json).unwrap(), value);
        prop_assert_eq!(amount(&format!("\"{json}\"")).unwrap(), value);
    }

    #[test]
    fn no_text_makes_the_parser_panic_or_round(text in "[0-9.eE+-]{0,45}") {
        if let Ok(parsed) = Amount::from_number(&text) {
            let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
            let back = shifted(parsed.money().0, &format!("{}", -exponent.parse::<i64>().unwrap())).unwrap();
            prop_assert_eq!(back, Decimal::from_str_exact(mantissa).unwrap());
        }
    }
}
