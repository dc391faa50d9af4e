//! Random steps in the life of a service.

use std::io::ErrorKind;

use proptest::prelude::*;

use crate::tests::{
    oracle::Op,
    simulated::{EARLY, FULL, Fault},
};

/// A step of a service's life.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Writes that arrive together.
    Write(Vec<Op>),
    /// The whole journal is folded, as at a stop.
    FoldAtOnce,
    /// The fold beside the writes begins, or goes on by one part.
    Fold,
    /// The process crashes, with a power failure or without, and is started again. The
    /// `fault` happens at a call during the start.
    Restart {
        power_lost: bool,
        fault: Option<(usize, Fault)>,
    },
    /// The `after`-th call from now on fails. `power_lost` says whether the power fails, too,
    /// if this crashes the process.
    Fault {
        after: usize,
        fault: Fault,
        power_lost: bool,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let bio = 0..900_usize;
    prop_oneof![
        4 => (0..12_u8, bio.clone(), prop::option::of(0..8_u8))
            .prop_map(|(username, bio, key)| Op::Create { username, bio, key }),
        // As clients send a request again: with the same body.
        2 => (0..4_u8).prop_map(|key| Op::Create { username: key, bio: 99, key: Some(key) }),
        2 => (any::<u8>(), 0..12_u8, bio.clone())
            .prop_map(|(which, username, bio)| Op::Replace { which, username, bio }),
        2 => (any::<u8>(), bio).prop_map(|(which, bio)| Op::Patch { which, bio }),
        2 => any::<u8>().prop_map(|which| Op::Delete { which }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![
        3 => Just(Fault::Kill),
        1 => Just(FULL),
        1 => Just(Fault::Fails(ErrorKind::Other)),
        2 => Just(EARLY),
    ];
    prop_oneof![
        6 => prop::collection::vec(op(), 1..4).prop_map(Step::Write),
        1 => Just(Step::FoldAtOnce),
        4 => Just(Step::Fold),
        2 => (any::<bool>(), prop::option::of((1..24_usize, fault.clone())))
            .prop_map(|(power_lost, fault)| Step::Restart { power_lost, fault }),
        3 => (1..16_usize, fault, any::<bool>())
            .prop_map(|(after, fault, power_lost)| Step::Fault { after, fault, power_lost }),
    ]
}

/// A seed for the disk, and some steps.
pub(super) fn steps() -> impl Strategy<Value = (u64, Vec<Step>)> {
    (any::<u64>(), prop::collection::vec(step(), 1..32))
}
