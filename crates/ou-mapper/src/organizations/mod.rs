//! AWS Organizations as the source.

mod pace;
mod request;
mod walk;

pub use pace::Rate;

use crate::{Figures, SourceError};
use apportion_core::org::{Account, OrgSnapshot};
use apportion_store::{Store, StoreError};
use aws_sdk_organizations::Client;
use aws_sdk_organizations::config::{Builder, retry::RetryConfig, timeout::TimeoutConfig};
use futures::future::join_all;
use pace::Pace;
use request::{Answer, Request, Tally};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;
use walk::{Ask, Items, Listing, Walk};

/// Requests under way at once: enough to keep the rate of five a second where an answer takes half a second.
const AT_ONCE: usize = 4;
/// What Organizations gives on a page at most.
const PAGE: i32 = 20;
/// A walk that was disturbed this often is given up.
const MOST_WALKS: u32 = 3;
/// Calls that one walk may take: about two hours. The largest organization takes three.
const MOST_CALLS: u32 = 10;
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(30);

/// How fast, how patient and how long. The default is for AWS; tests are faster.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// `ListOrganizationalUnitsForParent` and `ListAccountsForParent`, which share a bucket.
    pub for_parent: Rate,
    pub list_accounts: Rate,
    pub list_roots: Rate,
    /// Longest wait after the first failure; it doubles.
    pub backoff: Duration,
    pub longest_backoff: Duration,
    /// Attempts at one request before the source has failed.
    pub attempts: u32,
    /// How long one call may work: with an attempt under way it must end before Lambda's 15 minutes do.
    pub budget: Duration,
    /// What a crash may lose.
    pub checkpoint_every: Duration,
}

impl Default for Limits {
    /// The published rates of an account: 5 a second and 8 at once, 8 and 12, 1 and 2. Bursts are smaller here, so that requests that
    /// bunch on their way stay within.
    fn default() -> Limits {
        let rate = |milliseconds, burst| Rate { interval: Duration::from_millis(milliseconds), burst };
        Limits {
            for_parent: rate(200, 5),
            list_accounts: rate(125, 8),
            list_roots: rate(1000, 1),
            backoff: Duration::from_millis(500),
            longest_backoff: Duration::from_secs(20),
            attempts: 8,
            budget: Duration::from_secs(12 * 60),
            checkpoint_every: Duration::from_secs(60),
        }
    }
}

/// A client of Organizations, with the rates that its walks share.
#[derive(Clone, Debug)]
pub struct Organizations {
    client: Client,
    limits: Limits,
    paces: Arc<Paces>,
}

#[derive(Debug)]
struct Paces {
    for_parent: Pace,
    list_accounts: Pace,
    list_roots: Pace,
}

/// What a call of a walk came to.
#[derive(Debug)]
pub enum Walked {
    Done {
        organization: OrgSnapshot,
        figures: Figures,
    },
    /// The budget is spent; the next call goes on.
    Running {
        organizational_units: usize,
        accounts: usize,
        figures: Figures,
    },
}

/// Why a walk stopped.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the checkpoint cannot be written: {0}")]
    Checkpoint(#[from] serde_json::Error),
}

/// Where a walk is put aside.
struct Checkpoint<'a> {
    store: &'a Store,
    key: &'a str,
}

impl Checkpoint<'_> {
    /// The walk as it was put aside; a new one if there is none, or none that this version can read.
    async fn load(&self) -> Result<Walk, StoreError> {
        match self.store.get(self.key).await {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(key = self.key, %error, "the checkpoint cannot be read; the walk begins anew");
                Walk::new()
            })),
            Err(StoreError::NotFound { .. }) => Ok(Walk::new()),
            Err(error) => Err(error),
        }
    }

    async fn save(&self, walk: &Walk) -> Result<(), WalkError> {
        Ok(self.store.put(self.key, &serde_json::to_vec(walk)?).await?)
    }
}

impl Organizations {
    /// `config` says credentials, a region of the partition (Organizations is one service for all of them) and, for tests, the
    /// endpoint. Retries and time limits are set here: the SDK's own retries would
    /// go past the rates.
    pub fn new(config: Builder, limits: Limits) -> Organizations {
        let timeouts = TimeoutConfig::builder().connect_timeout(ATTEMPT / 3).operation_attempt_timeout(ATTEMPT).build();
        let config = config.retry_config(RetryConfig::disabled()).timeout_config(timeouts);
        let paces = Paces {
            for_parent: Pace::new(limits.for_parent),
            list_accounts: Pace::new(limits.list_accounts),
            list_roots: Pace::new(limits.list_roots),
        };
        Organizations { client: Client::from_conf(config.build()), limits, paces: Arc::new(paces) }
    }

    /// Walks until the tree is whole or the budget is spent; `key` of `store` keeps what a later call goes on with.
    pub async fn walk(&self, store: &Store, key: &str) -> Result<Walked, WalkError> {
        let checkpoint = Checkpoint { store, key };
        let mut walk = checkpoint.load().await?;
        walk.figures.calls += 1;
        if walk.figures.calls > MOST_CALLS {
            let Figures { calls, requests, .. } = walk.figures;
            return Err(SourceError::Endless { calls: calls - 1, requests }.into());
        }
        let deadline = Instant::now() + self.limits.budget;
        let mut saved = Instant::now();
        loop {
            while !walk.is_over() {
                let went_on = self.round(&mut walk, deadline).await;
                let stop = went_on.is_err() || Instant::now() >= deadline || matches!(went_on, Ok(false));
                if stop || saved.elapsed() >= self.limits.checkpoint_every {
                    checkpoint.save(&walk).await?;
                    saved = Instant::now();
                }
                went_on?;
                if stop {
                    let (organizational_units, accounts) = walk.met();
                    return Ok(Walked::Running { organizational_units, accounts, figures: walk.figures });
                }
            }
            match walk.finish() {
                Ok(organization) => return Ok(Walked::Done { organization, figures: walk.figures }),
                Err(last) if walk.figures.walks >= MOST_WALKS => {
                    let walks = walk.figures.walks;
                    walk = Walk::default();
                    walk.repeat();
                    checkpoint.save(&walk).await?;
                    return Err(SourceError::Unsettled { walks, last }.into());
                }
                Err(why) => {
                    tracing::info!(why, "the organization changed during the walk, which is repeated");
                    walk.repeat();
                }
            }
        }
    }

    /// Asks for a few pages at once. `false` where the deadline cut one off. What was not answered is put back.
    async fn round(&self, walk: &mut Walk, deadline: Instant) -> Result<bool, SourceError> {
        let asks = walk.next(AT_ONCE);
        let tally = Tally::default();
        let answers = join_all(asks.iter().map(|ask| self.page(ask, &tally, deadline))).await;
        walk.figures.requests += tally.requests.load(Ordering::Relaxed);
        walk.figures.retries += tally.retries.load(Ordering::Relaxed);
        walk.figures.throttled += tally.throttled.load(Ordering::Relaxed);
        let mut result = Ok(true);
        // From the last to the first, so that what is put back at the front stays in order.
        for (ask, answer) in asks.into_iter().zip(answers).rev() {
            match answer {
                Ok(Answer::Page((items, token))) => walk.page(ask, items, token),
                Ok(Answer::Gone) => walk.gone(&ask),
                Ok(Answer::BadInput(_)) if ask.token.is_some() && !ask.begun_again => {
                    walk.put_back(Ask { token: None, begun_again: true, ..ask });
                }
                Ok(Answer::BadInput(detail)) => {
                    let operation = ask.listing.operation();
                    walk.put_back(ask);
                    result = Err(SourceError::Refused { operation, detail });
                }
                Ok(Answer::Interrupted) => {
                    walk.put_back(ask);
                    result = result.map(|_| false);
                }
                Err(error) => {
                    walk.put_back(ask);
                    result = Err(error);
                }
            }
        }
        result
    }

    async fn page(&self, ask: &Ask, tally: &Tally, deadline: Instant) -> Result<Answer<(Items, Option<String>)>, SourceError> {
        let request = |pace| Request { operation: ask.listing.operation(), pace, limits: &self.limits, tally, deadline };
        let token = || ask.token.clone();
        let answer = match &ask.listing {
            Listing::AllAccounts => {
                let send = || self.client.list_accounts().max_results(PAGE).set_next_token(token()).send();
                request(&self.paces.list_accounts).send(send).await?.map(|page| {
                    (
                        Items::AccountIds(page.accounts.unwrap_or_default().into_iter().filter_map(|one| one.id).collect()),
                        page.next_token,
                    )
                })
            }
            Listing::Roots => {
                let send = || self.client.list_roots().max_results(PAGE).set_next_token(token()).send();
                request(&self.paces.list_roots).send(send).await?.map(|page| {
                    (Items::Roots(page.roots.unwrap_or_default().into_iter().filter_map(|one| one.id).collect()), page.next_token)
                })
            }
            Listing::Units(parent) => {
                let send = || {
                    let list = self.client.list_organizational_units_for_parent().parent_id(parent);
                    list.max_results(PAGE).set_next_token(token()).send()
                };
                request(&self.paces.for_parent).send(send).await?.map(|page| {
                    let units = page.organizational_units.unwrap_or_default().into_iter();
                    (
                        Items::Units(units.filter_map(|one| Some((one.id?, one.name.unwrap_or_default()))).collect()),
                        page.next_token,
                    )
                })
            }
            Listing::Accounts(parent) => {
                let send = || {
                    let list = self.client.list_accounts_for_parent().parent_id(parent);
                    list.max_results(PAGE).set_next_token(token()).send()
                };
                request(&self.paces.for_parent).send(send).await?.map(|page| {
                    let accounts = page.accounts.unwrap_or_default().into_iter();
                    (Items::Accounts(accounts.filter_map(|one| account(one, parent)).collect()), page.next_token)
                })
            }
        };
        Ok(answer.map(|(items, token)| (items, token.filter(|token| !token.is_empty()))))
    }
}

/// `State` counts before the retired `Status`.
fn account(found: aws_sdk_organizations::types::Account, parent: &str) -> Option<Account> {
    let state = found.state.as_ref().map(|state| state.as_str());
    let state = state.or(found.status.as_ref().map(|status| status.as_str())).unwrap_or("ACTIVE").to_owned();
    Some(Account { id: found.id?, name: found.name.unwrap_or_default(), parent_id: parent.to_owned(), state })
}
