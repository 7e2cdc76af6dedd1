//! A run's organization by way of AWS Organizations: what is staged already, what is kept, a walk, or the newest kept in its stead.

use crate::organizations::{WalkError, Walked};
use crate::{
    Context, Error, Organizations, Origin, Output, Reading, SourceError, Wanted, bytes_of, configuration, kept, read_file,
    snapshot_json, snapshot_key,
};
use apportion_core::org::Organization;
use apportion_store::StoreError;

pub(crate) async fn organizations(
    context: &Context,
    organizations: &Organizations,
    wanted: &Wanted<'_>,
) -> Result<Reading, Error> {
    // A call whose answer was lost, or another one at the same time, has staged a tree: the run has one.
    if let Some(staged) = staged(context, wanted).await? {
        return Ok(staged);
    }
    let (organization, origin) = match kept::of_period(context, wanted).await? {
        Some(found) => found,
        None => {
            let checkpoint = format!("{}organization_walk.json", wanted.staging);
            match organizations.walk(&context.work, &checkpoint).await {
                Ok(Walked::Running { organizational_units, accounts, figures }) => {
                    return Ok(Reading::Running(Output::Running { organizational_units, accounts, walk: figures }));
                }
                Ok(Walked::Done { organization, figures }) => {
                    (organization.into(), Origin { walk: Some(figures), ..Origin::default() })
                }
                Err(WalkError::Source(failure)) => stale(context, wanted, failure).await?,
                Err(WalkError::Store(error)) => return Err(error.into()),
                Err(error @ WalkError::Checkpoint(_)) => return Err(Error::Staging(error.to_string())),
            }
        }
    };
    let staging = |error: serde_json::Error| Error::Staging(error.to_string());
    // The snapshot comes last: with it, the run has its organization.
    context.work.put_once(&origin_key(wanted), &serde_json::to_vec_pretty(&origin).map_err(staging)?).await?;
    context.work.put_once(&snapshot_key(wanted.staging), &snapshot_json(&organization).map_err(staging)?).await?;
    let staged = staged(context, wanted).await?;
    staged.ok_or_else(|| Error::Staging(format!("`{}` is gone", snapshot_key(wanted.staging))))
}

fn origin_key(wanted: &Wanted<'_>) -> String {
    format!("{}organization_source.json", wanted.staging)
}

/// What the run has staged.
async fn staged(context: &Context, wanted: &Wanted<'_>) -> Result<Option<Reading>, Error> {
    let key = snapshot_key(wanted.staging);
    if context.work.head(&key).await?.is_none() {
        return Ok(None);
    }
    let bytes = bytes_of(context, &key).await?;
    let organization = serde_json::from_slice(&bytes).map_err(|error| Error::Staging(format!("{key}: {error}")))?;
    let origin = match context.work.get(&origin_key(wanted)).await {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).map_err(|error| Error::Staging(error.to_string()))?),
        Err(StoreError::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(Some(Reading::Whole(organization, origin)))
}

/// The newest kept snapshot, if it is younger than the configuration allows; else the failure stands.
async fn stale(context: &Context, wanted: &Wanted<'_>, failure: SourceError) -> Result<(Organization, Origin), Error> {
    let kept = kept::snapshots(context).await?;
    let Some((day, key)) = kept.range(..=wanted.day).next_back() else { return Err(failure.into()) };
    if wanted.day.since(*day) > i64::from(days_allowed(context, wanted).await?) {
        return Err(failure.into());
    }
    tracing::warn!(%day, error = %failure, "Organizations could not be read; the organization is that of an earlier day");
    let origin = Origin { stale_since: Some(*day), failure: Some(failure.to_string()), ..Origin::default() };
    Ok((read_file(context, key).await?.into(), origin))
}

/// `run.organization_days` of `mail.toml`. A configuration that cannot be read fails the steps that need it; here the default holds.
async fn days_allowed(context: &Context, wanted: &Wanted<'_>) -> Result<u32, Error> {
    let mail = configuration(context, wanted).await?.and_then(|loaded| loaded.mail);
    Ok(mail.map_or(apportion_config::ORGANIZATION_DAYS, |mail| mail.organization_days))
}
