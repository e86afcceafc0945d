//! Every parser keeps its promise for random input.

use proptest::prelude::*;

/// Text in which each parser finds something to do.
const LIKELY: &str = concat!(
    r"[0-9.eE+\-]{0,40}|[0-9]{1,20}|[1-9][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{1,9})?(Z|[+-][01][0-9]:00)|",
    r"[ a-zA-Z0-9._%+\-]{1,20}@[a-zA-Z0-9.\-]{1,20}\.[a-z]{2,6} ?|(limit|cursor|x)=[0-9%a-f+\-]{0,20}(&(limit|cursor)=[0-9]{0,20})?|",
    r"([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-f:]{2,39})(, ?10\.0\.0\.1)?|[A-Za-z0-9_\-]{1,40}\.[A-Za-z0-9_\-]{1,40}\.[A-Za-z0-9_\-]{0,40}|",
    r#"\{("sender_id": ?-?[0-9]{1,20},? ?)?("amount": ?"?[0-9.eE]{1,18}"?,? ?)?("description": ?"[^"]{0,20}")?\}|\PC{0,60}"#,
);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn every_parser_keeps_its_promise_for_any_bytes(input in prop::collection::vec(any::<u8>(), 0..300)) {
        for (_, promise) in fuzz::PROMISES {
            promise(&input);
        }
    }

    #[test]
    fn every_parser_keeps_its_promise_for_likely_text(input in LIKELY) {
        for (_, promise) in fuzz::PROMISES {
            promise(input.as_bytes());
        }
    }
}
