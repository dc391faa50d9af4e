//! The answers to the writes of a batch, on their way to those who wait.

use tokio::sync::oneshot;

use crate::{error::WriteError, write::Written};

/// What became of a write.
pub(crate) type Outcome = Result<Written, WriteError>;

/// The answer to one write, with those to others that were decided with it.
///
/// Waking a task of another thread takes a system call. So the writer wakes one
/// of those who wait, who wakes the others, on the thread that they share.
pub(crate) struct Answer {
    outcome: Outcome,
    /// Dropped with this, which gives them.
    others: Answers,
}

/// Answers that are still to be given, the first one last. Dropped, they are.
#[derive(Default)]
pub(crate) struct Answers(Vec<(oneshot::Sender<Answer>, Outcome)>);

impl Answer {
    /// What became of the write; gives the others their answers.
    pub fn into_outcome(self) -> Outcome {
        self.outcome
    }
}

impl Answers {
    /// Who waits for which outcome, first come, first served.
    pub fn new(mut answers: Vec<(oneshot::Sender<Answer>, Outcome)>) -> Self {
        answers.reverse();
        Self(answers)
    }

    /// Gives them all to the first one who still waits.
    pub fn give(mut self) {
        while let Some((to, outcome)) = self.0.pop() {
            let others = Self(std::mem::take(&mut self.0));
            match to.send(Answer { outcome, others }) {
                Ok(()) => return,
                // A client that left does not undo its write, nor keep others from theirs.
                Err(unread) => self = unread.others,
            }
        }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        for (to, outcome) in self.0.drain(..).rev() {
            let others = Self::default();
            // As above.
            let _ = to.send(Answer { outcome, others });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_arrives_whoever_has_left() {
        let among = |mask: usize, number: usize| mask >> number & 1 == 1;
        for (before, after) in (0..8).flat_map(|before| (0..8).map(move |after| (before, after))) {
            let (senders, receivers): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel()).unzip();
            let outcome = |sender| (sender, Err(WriteError::NotFound));
            let answers = Answers::new(senders.into_iter().map(outcome).collect());
            let mut waiting: Vec<_> = receivers.into_iter().enumerate().collect();
            waiting.retain(|(number, _)| !among(before, *number));
            answers.give();
            waiting.retain(|(number, _)| !among(after, *number));
            // The first one may have all of them.
            for (number, mut receiver) in waiting {
                let answer: Answer = receiver.try_recv().unwrap();
                let outcome = answer.into_outcome();
                assert!(outcome.is_err(), "{number} of {before} and {after}");
            }
        }
    }
}
