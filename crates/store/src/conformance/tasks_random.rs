//! Random steps of the queue, compared with the model.

use super::Harness;
use super::dice::Dice;
use super::fixture::*;
use super::tasks_fixture::*;
use crate::task::model::TaskModel;
use crate::{Hold, Receipt, TaskDone, TaskId, TaskPage, TaskPick, TaskWrite, Write, WriteBatch};
use basalt_base::Result;

const QUEUES: [&str; 3] = ["a", "b", "c"];
const ROUNDS: usize = 60;
const BATCHES: usize = 12;

struct Random {
    dice: Dice,
    now: i64,
    /// Receipts that were handed out, good or not.
    receipts: Vec<Receipt>,
    last: u64,
}

impl Random {
    fn queue(&mut self) -> &'static str {
        QUEUES[self.dice.below(3)]
    }

    fn receipt(&mut self) -> Receipt {
        let recent = self.receipts.len().min(12);
        if recent == 0 {
            let task = TaskId(1);
            return Receipt { task, lease: 1 };
        }
        self.receipts[self.receipts.len() - 1 - self.dice.below(recent)]
    }

    fn put(&mut self) -> TaskWrite {
        let mut task = put(self.queue(), &format!("{}", self.dice.below(1_000)));
        task.at = at(self.now);
        task.visible_at = at(self.now + [0, 0, 0, 5, 40][self.dice.below(5)]);
        task.priority = [0, 0, 5, 9][self.dice.below(4)];
        task.attempts_max = [0, 1, 2, 3][self.dice.below(4)];
        if self.dice.below(2) == 0 {
            task.group = Some(["g", "h"][self.dice.below(2)].into());
        }
        if self.dice.below(3) == 0 {
            let hold = match self.dice.below(2) {
                0 => Hold::Task,
                _ => Hold::Until(at(self.now + 20)),
            };
            let key = ["k", "l", "m"][self.dice.below(3)];
            task = keyed(task, key, hold);
        }
        TaskWrite::Put(task)
    }

    fn pick(&mut self) -> TaskPick {
        match self.dice.below(6) {
            0 => TaskPick::All,
            1 | 2 => TaskPick::Dead,
            3 => TaskPick::Idle,
            _ => {
                let ids =
                    (0..3).map(|_| TaskId(1 + self.dice.below(self.last as usize + 1) as u64));
                TaskPick::Ids(ids.collect())
            }
        }
    }

    fn operate(&mut self) -> TaskWrite {
        let queue = self.queue().into();
        let pick = self.pick();
        let limit = [1, 2, 5][self.dice.below(3)];
        let visible_at = at(self.now + [0, 9][self.dice.below(2)]);
        match self.dice.below(4) {
            0 | 1 => TaskWrite::Retry {
                queue,
                pick,
                visible_at,
                limit,
            },
            2 => TaskWrite::Purge { queue, pick, limit },
            _ => TaskWrite::Move {
                queue,
                pick,
                to: self.queue().into(),
                visible_at,
                limit,
            },
        }
    }

    fn step(&mut self) -> TaskWrite {
        self.now += [0, 0, 1, 7][self.dice.below(4)];
        match self.dice.below(16) {
            0..6 => self.put(),
            6..10 => TaskWrite::Lease {
                queue: self.queue().into(),
                count: 1 + self.dice.below(4) as u32,
                until: at(self.now + [10, 30][self.dice.below(2)]),
                at: at(self.now),
            },
            10 | 11 => TaskWrite::Complete(self.receipt()),
            12 => TaskWrite::Extend {
                receipt: self.receipt(),
                until: at(self.now + 25),
            },
            13 => release(self.receipt(), self.now + 3),
            14 => bury(self.receipt(), "dead"),
            _ => self.operate(),
        }
    }
}

fn model_batch(model: &mut TaskModel, steps: &[TaskWrite]) -> Result<Vec<TaskDone>> {
    let mut copy = model.clone();
    let done: Result<Vec<TaskDone>> = steps.iter().map(|step| copy.apply(step)).collect();
    if done.is_ok() {
        *model = copy;
    }
    done
}

pub async fn agrees_with_the_model(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let mut model = TaskModel::default();
    let mut random = Random {
        dice: Dice::new(20_261_121),
        now: 0,
        receipts: Vec::new(),
        last: 0,
    };
    for round in 0..ROUNDS {
        let batches: Vec<Vec<TaskWrite>> = (0..BATCHES)
            .map(|_| (0..=random.dice.below(3)).map(|_| random.step()).collect())
            .collect();
        let each = batches.iter().map(|steps| {
            let steps = steps.iter().cloned().map(Write::Task);
            WriteBatch::of(steps.collect())
        });
        let answers = f.app.write(each.collect()).await.unwrap();
        for (steps, answer) in batches.iter().zip(answers) {
            let wanted = model_batch(&mut model, steps);
            match (&wanted, &answer) {
                (Ok(wanted), Ok(found)) => {
                    let found: Vec<String> = found.iter().map(|w| format!("{w:?}")).collect();
                    let wanted_text: Vec<String> =
                        wanted.iter().map(|w| format!("Task({w:?})")).collect();
                    assert_eq!(wanted_text, found, "round {round}: {steps:?}");
                }
                (Err(wanted), Err(found)) => assert_eq!(wanted.reason(), found.reason()),
                _ => panic!("round {round}: {steps:?}: {wanted:?} against {answer:?}"),
            }
            for done in wanted.into_iter().flatten() {
                match done {
                    TaskDone::Leased { tasks, .. } => {
                        random
                            .receipts
                            .extend(tasks.iter().map(crate::Task::receipt));
                    }
                    TaskDone::Put { id, .. } => random.last = random.last.max(id.0),
                    _ => {}
                }
            }
        }
        assert_eq!(
            f.app.queues().await.unwrap(),
            model.queues(),
            "round {round}"
        );
        for queue in QUEUES {
            for dead in [false, true] {
                let page = TaskPage {
                    queue: queue.into(),
                    dead,
                    after: None,
                    limit: 100_000,
                };
                assert_eq!(f.app.tasks(&page).await.unwrap(), model.page(&page));
            }
        }
    }
    assert_eq!(f.app.verify().await.unwrap(), Vec::<String>::new());
}
