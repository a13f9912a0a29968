//! Activities, blocks of them and the history's peaks, as a proof or a store holds them: what is read is written as it
//! was, and none of it verifies against a history that does not hold it.
#![no_main]

use concordat_types::activity::{Activity, BlockActivity, Claim, Peaks, ProvenBlock};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(activity) = Activity::decode(bytes) {
        assert_eq!(activity.encode(), bytes);
    }
    if let Some(peaks) = Peaks::decode(bytes) {
        assert_eq!(peaks.encode(), bytes);
    }
    let Some(block) = BlockActivity::decode(bytes) else { return };
    assert_eq!(block.encode(), bytes);
    let Some(activity) = block.activities.first() else { return };
    let Some((activity, activity_place, activity_path)) = block.prove(&activity.subject) else { return };
    let height = block.record.height;
    let claim = Claim {
        subject: activity.subject.clone(),
        from: 1,
        to: height.max(1),
        last: height,
        peaks: Peaks::default(),
    };
    let BlockActivity { place, record, .. } = block;
    let told = ProvenBlock {
        record,
        place,
        path: Vec::new(),
        activity,
        activity_place,
        activity_path,
        transactions: Vec::new(),
    };
    assert!(height == 0 || claim.verify([&told]).is_err());
});
