//! Payloads of proposals and bytes of effects: one form each, and words for people whatever they hold. The first byte says
//! which kind of proposal the others are for.
#![no_main]

use concordat_governance::{Action, Effect, Kind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((code, payload)) = bytes.split_first() else { return };
    if let Some(kind) = Kind::from_code(*code) {
        match Action::decode(kind, payload) {
            Ok(action) => {
                assert_eq!(action.encode().as_ref(), payload, "a second form of an action");
                assert_eq!(action.kind(), kind);
                let _bounds = action.validate();
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    if let Some(effect) = Effect::decode(payload) {
        assert_eq!(effect.encode(), payload, "a second form of an effect");
        let text = effect.to_string();
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\n'),
            "an effect acts on the terminal: {text:?}"
        );
    }
});
