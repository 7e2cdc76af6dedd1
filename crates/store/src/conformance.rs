//! What every [`Store`] must do. Each check works under a prefix of its own and names what failed.

use crate::{Entry, PutOutcome, Store, StoreError};

/// Writers that race in the put-once check.
const WRITERS: usize = 32;

/// Runs every check under `prefix` (`""` or ending in `/`) of an empty store; the first failure is the result.
pub async fn check(store: &Store, prefix: &str) -> Result<(), String> {
    put_once_never_overwrites(store, &format!("{prefix}once")).await?;
    one_of_many_writers_wins(store, &format!("{prefix}race")).await?;
    put_same_compares_content(store, &format!("{prefix}same")).await?;
    put_replaces(store, &format!("{prefix}put")).await?;
    put_version_numbers_other_contents(store, &format!("{prefix}numbered")).await?;
    listing_is_sorted_and_by_prefix(store, &format!("{prefix}list")).await?;
    odd_keys_work(store, &format!("{prefix}odd")).await?;
    bad_keys_are_refused(store).await?;
    missing_keys_are_named(store, &format!("{prefix}missing")).await?;
    versions_are_kept(store, &format!("{prefix}version")).await?;
    parts_and_listed_versions_are_of_one_content(store, &format!("{prefix}part")).await?;
    copies_are_exact(store, &format!("{prefix}copy")).await
}

fn require(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn good<T>(result: Result<T, StoreError>, what: &str) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error}"))
}

async fn put_version_numbers_other_contents(store: &Store, prefix: &str) -> Result<(), String> {
    let stem = format!("{prefix}/2026-09-01");
    // Neighbours that begin alike are other files.
    for other in [format!("{stem}.x.csv"), format!("{stem}0.csv"), format!("{stem}.2.json"), format!("{stem}.02.csv")] {
        good(store.put(&other, b"other").await, "put")?;
    }
    require(good(store.newest_version(&stem, "csv").await, "newest_version")?.is_none(), "neighbours are no version")?;
    for (content, name) in [("a", ".csv"), ("a", ".csv"), ("b", ".2.csv"), ("b", ".2.csv"), ("a", ".3.csv")] {
        let key = good(store.put_version(&stem, "csv", content.as_bytes()).await, "put_version")?;
        require(key == format!("{stem}{name}"), "each other content has the next number")?;
    }
    for (number, name) in [("4", 4), ("10", 10)] {
        good(store.put(&format!("{stem}.{number}.csv"), b"c").await, "put")?;
        let newest = good(store.newest_version(&stem, "csv").await, "newest_version")?;
        require(newest.is_some_and(|(found, _)| found == name), "the highest number is the newest")?;
    }
    require(good(store.get(&format!("{stem}.csv")).await, "get")? == b"a", "the first content stays")
}

async fn put_once_never_overwrites(store: &Store, prefix: &str) -> Result<(), String> {
    let key = format!("{prefix}/a");
    require(good(store.put_once(&key, b"first").await, "put_once")? == PutOutcome::Created, "first put_once creates")?;
    require(good(store.put_once(&key, b"second").await, "put_once")? == PutOutcome::Exists, "second put_once says so")?;
    require(good(store.get(&key).await, "get")? == b"first", "the first content stays")?;
    let empty = format!("{prefix}/empty");
    good(store.put_once(&empty, b"").await, "put_once of nothing")?;
    require(good(store.get(&empty).await, "get")?.is_empty(), "an empty file is a file")
}

async fn one_of_many_writers_wins(store: &Store, prefix: &str) -> Result<(), String> {
    for round in 0..8 {
        let key = format!("{prefix}/{round}");
        let writers = (0..WRITERS).map(|writer| {
            let (store, key) = (store.clone(), key.clone());
            // Long enough to be seen half-written.
            let bytes = writer.to_string().repeat(20_000).into_bytes();
            tokio::spawn(async move { store.put_once(&key, &bytes).await.map(|outcome| (outcome, bytes)) })
        });
        let mut won = Vec::new();
        for writer in writers.collect::<Vec<_>>() {
            let (outcome, bytes) = good(writer.await.map_err(|error| error.to_string())?, "racing put_once")?;
            if outcome == PutOutcome::Created {
                won.push(bytes);
            }
        }
        require(won.len() == 1, "exactly one racing writer creates")?;
        require(good(store.get(&key).await, "get")? == won[0], "the winner's content lies there, whole")?;
    }
    Ok(())
}

async fn put_same_compares_content(store: &Store, prefix: &str) -> Result<(), String> {
    let key = format!("{prefix}/a");
    good(store.put_same(&key, b"x").await, "put_same")?;
    require(good(store.put_same(&key, b"x").await, "put_same again")? == PutOutcome::Exists, "same content is fine")?;
    match store.put_same(&key, b"y").await {
        Err(StoreError::Conflict { key: named, .. }) => require(named == key, "the conflict names its key"),
        other => Err(format!("other content is a conflict, not {other:?}")),
    }
}

async fn put_replaces(store: &Store, prefix: &str) -> Result<(), String> {
    let key = format!("{prefix}/a");
    good(store.put(&key, b"one").await, "put")?;
    good(store.put(&key, b"three").await, "put")?;
    require(good(store.get(&key).await, "get")? == b"three", "put replaces")
}

async fn listing_is_sorted_and_by_prefix(store: &Store, prefix: &str) -> Result<(), String> {
    // Byte order: `-` < `.` < `/` < digits < upper < lower; a folder's content does not come before `a-b` and `a.b`.
    let names = ["Z", "a-b", "a.b", "a/b", "a/c/d", "a0", "b", "ä"];
    for name in names.iter().rev() {
        good(store.put_once(&format!("{prefix}/{name}"), name.as_bytes()).await, "put_once")?;
    }
    let keys = |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>();
    let expected = |wanted: &[&str]| wanted.iter().map(|name| format!("{prefix}/{name}")).collect::<Vec<_>>();
    let all = good(store.list(&format!("{prefix}/")).await, "list")?;
    require(all.iter().all(|entry| entry.size as usize == entry.key.len() - prefix.len() - 1), "sizes are bytes")?;
    require(keys(all) == expected(&names), "a listing is sorted by the bytes of its keys")?;
    let some = good(store.list(&format!("{prefix}/a")).await, "list")?;
    require(keys(some) == expected(&["a-b", "a.b", "a/b", "a/c/d", "a0"]), "a prefix may end inside a name")?;
    let folder = good(store.list(&format!("{prefix}/a/")).await, "list")?;
    require(keys(folder) == expected(&["a/b", "a/c/d"]), "a prefix may be a folder")?;
    let folders = good(store.folders(&format!("{prefix}/")).await, "folders")?;
    require(folders == ["a"], "the folders directly below a prefix, and no files")?;
    require(good(store.folders(&format!("{prefix}/none/")).await, "folders")?.is_empty(), "nothing there: no folders")?;
    require(good(store.list(&format!("{prefix}/none/")).await, "list")?.is_empty(), "nothing there: an empty listing")
}

async fn odd_keys_work(store: &Store, prefix: &str) -> Result<(), String> {
    let mut longest = prefix.to_owned();
    while longest.len() < 1024 {
        let room = (1024 - longest.len() - 1).min(200);
        // Never leave room for a lone `/`.
        let room = if 1024 - longest.len() - 1 - room == 1 { room - 1 } else { room };
        longest = format!("{longest}/{}", "k".repeat(room));
    }
    let odd = [
        " lead",
        "trail ",
        "a b",
        "BILLING_PERIOD=2026-09",
        "a+b%2Fc",
        "'quo\"te",
        "$(x)",
        "*?[",
        "~",
        "-n",
        "e\u{301}",
        "日本",
        "...",
    ];
    for key in odd.iter().map(|name| format!("{prefix}/{name}")).chain([longest]) {
        good(store.put_once(&key, key.as_bytes()).await, "put_once of an odd key")?;
        require(good(store.get(&key).await, "get of an odd key")? == key.as_bytes(), "an odd key gives its own content")?;
        let listed = good(store.list(&key).await, "list of an odd key")?;
        require(listed.iter().any(|entry| entry.key == key), "an odd key is listed as it was written")?;
    }
    Ok(())
}

async fn bad_keys_are_refused(store: &Store) -> Result<(), String> {
    let long = "x/".repeat(512) + "y";
    for key in ["", "/a", "a/", "a//b", "../a", "a/../../b", "a/./b", "a\0", "a\nb", "a\\b", long.as_str()] {
        let refused = matches!(store.put_once(key, b"x").await, Err(StoreError::BadKey { .. }))
            && matches!(store.put(key, b"x").await, Err(StoreError::BadKey { .. }))
            && matches!(store.get(key).await, Err(StoreError::BadKey { .. }))
            && matches!(store.head(key).await, Err(StoreError::BadKey { .. }));
        require(refused, &format!("`{}` is refused as a key", key.escape_debug()))?;
    }
    Ok(())
}

async fn missing_keys_are_named(store: &Store, prefix: &str) -> Result<(), String> {
    let key = format!("{prefix}/none");
    require(good(store.head(&key).await, "head")?.is_none(), "head of nothing is nothing")?;
    match store.get(&key).await {
        Err(StoreError::NotFound { key: named, .. }) => require(named == key, "the error names the missing key"),
        other => Err(format!("get of nothing is NotFound, not {other:?}")),
    }
}

async fn versions_are_kept(store: &Store, prefix: &str) -> Result<(), String> {
    let key = format!("{prefix}/a");
    good(store.put(&key, b"before").await, "put")?;
    let before = good(store.head(&key).await, "head")?.ok_or("head finds what was put")?;
    require(before.key == key && before.size == 6, "head gives key and size")?;
    require(good(store.get_version(&key, &before.version).await, "get_version")? == b"before", "the version is read")?;
    good(store.put(&key, b"afterwards").await, "put")?;
    match store.get_version(&key, &before.version).await {
        // A store that keeps versions gives the old one; a store that does not refuses. Neither gives the new content.
        Ok(bytes) => require(bytes == b"before", "a version's content never changes"),
        Err(StoreError::Changed { key: named, .. }) => require(named == key, "the error names the changed key"),
        Err(other) => Err(format!("a changed file is Changed, not {other}")),
    }
}

async fn parts_and_listed_versions_are_of_one_content(store: &Store, prefix: &str) -> Result<(), String> {
    let key = format!("{prefix}/a");
    good(store.put(&key, b"0123456789").await, "put")?;
    let listed = good(store.list(&key).await, "list")?.pop().ok_or("list finds what was put")?;
    require(good(store.get_version(&key, &listed.version).await, "get_version")? == b"0123456789", "a listed version is read")?;
    let pinned = good(store.pin(listed.clone()).await, "pin")?;
    require((&pinned.key, pinned.size) == (&key, 10), "pin keeps key and size")?;
    let head = good(store.head(&key).await, "head")?.ok_or("head finds what was put")?;
    require(head.version == pinned.version, "a pinned version is the one that head gives")?;
    for version in [&listed.version, &pinned.version] {
        let parts = [(0, 4, "0123"), (7, 3, "789"), (8, 100, "89")];
        for (from, count, expected) in parts {
            let found = good(store.part(&key, version, from, count).await, "part")?;
            require(found == expected.as_bytes(), "a part is those bytes")?;
        }
    }
    let all = good(store.get_all(&format!("{prefix}/")).await, "get_all")?;
    require(all.into_iter().collect::<Vec<_>>() == [("a".to_owned(), b"0123456789".to_vec())], "get_all names what follows")?;
    good(store.put(&key, b"anew").await, "put")?;
    let changed = |result: Result<Vec<u8>, StoreError>| matches!(result, Err(StoreError::Changed { .. }));
    require(changed(store.get_version(&key, &listed.version).await), "a listed version is gone with its content")?;
    require(changed(store.part(&key, &listed.version, 0, 4).await), "and so are its parts")?;
    match store.pin(listed).await {
        // Where a listing's version is lasting, there is nothing to pin.
        Err(StoreError::Changed { key: named, .. }) => require(named == key, "the error names the changed key"),
        Ok(entry) => require(changed(store.get_version(&key, &entry.version).await), "pin never gives the new content"),
        Err(other) => Err(format!("a changed file is Changed, not {other}")),
    }
}

async fn copies_are_exact(store: &Store, prefix: &str) -> Result<(), String> {
    let (from, to) = (format!("{prefix}/from"), format!("{prefix}/to"));
    // sha256("abc"), FIPS 180-2 appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    good(store.put_once(&from, b"abc").await, "put_once")?;
    let version = good(store.head(&from).await, "head")?.ok_or("head finds what was put")?.version;
    for _ in 0..2 {
        let copied = good(store.copy_from(store, &from, &version, &to).await, "copy_from")?;
        require(copied.sha256 == ABC && copied.size == 3 && copied.key == to, "a copy gives key, digest and size")?;
    }
    require(good(store.get(&to).await, "get")? == b"abc", "a copy has the content")?;
    require(good(store.digest(&to, None).await, "digest")?.sha256 == ABC, "digest is SHA-256")?;
    let taken = format!("{prefix}/taken");
    good(store.put_once(&taken, b"xyz").await, "put_once")?;
    let onto = store.copy_from(store, &from, &version, &taken).await;
    require(matches!(onto, Err(StoreError::Conflict { .. })), "a copy never overwrites other content")?;
    let missing = store.copy_from(store, &format!("{prefix}/none"), "0-0", &format!("{prefix}/x")).await;
    require(matches!(missing, Err(StoreError::NotFound { .. })), "a copy of nothing is NotFound")?;
    let wrong = store.copy_from(store, &from, "no-such-version", &format!("{prefix}/x")).await;
    require(wrong.is_err(), "a copy of another version fails")?;
    require(good(store.head(&format!("{prefix}/x")).await, "head")?.is_none(), "a failed copy leaves nothing")
}
