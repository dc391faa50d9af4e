//! The answers to the writes of a batch, and how they reach the waiting tasks.

use tokio::sync::oneshot;

use crate::{error::WriteError, write::Written};

/// The result of a write.
pub(crate) type Outcome = Result<Written, WriteError>;

/// The answer to one write, together with the answers to other writes of its batch.
///
/// Waking a task of another thread takes a system call. So the writer wakes only one
/// waiting task. That task wakes the others, which run on the same thread as it does.
pub(crate) struct Answer {
    outcome: Outcome,
    /// Dropping them sends them.
    others: Answers,
}

/// Answers that are not sent yet, in reverse order. Dropping them sends them.
#[derive(Default)]
pub(crate) struct Answers(Vec<(oneshot::Sender<Answer>, Outcome)>);

impl Answer {
    /// The result of the write. Sends the other answers.
    pub fn into_outcome(self) -> Outcome {
        self.outcome
    }
}

impl Answers {
    /// Pairs of a waiting task and its outcome, in the order in which they are sent.
    pub fn new(mut answers: Vec<(oneshot::Sender<Answer>, Outcome)>) -> Self {
        answers.reverse();
        Self(answers)
    }

    /// Sends all answers to the first task that still waits.
    pub fn give(mut self) {
        while let Some((to, outcome)) = self.0.pop() {
            let others = Self(std::mem::take(&mut self.0));
            match to.send(Answer { outcome, others }) {
                Ok(()) => return,
                // This task no longer waits. Its write stays, and the next task gets the others.
                Err(unread) => self = unread.others,
            }
        }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        for (to, outcome) in self.0.drain(..).rev() {
            let others = Self::default();
            // The task may no longer wait.
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
            // Before its receiver is dropped, the first answer may hold all the others.
            for (number, mut receiver) in waiting {
                let answer: Answer = receiver.try_recv().unwrap();
                let outcome = answer.into_outcome();
                assert!(outcome.is_err(), "{number} of {before} and {after}");
            }
        }
    }
}
