//! The folder store: the conformance suite, and what only a folder can get wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use apportion_store::{Directory, Faults, PutOutcome, Store, StoreError, conformance};
use std::fs;
use std::path::Path;
use std::sync::Arc;

const SCRATCH: &str = ".apportion-scratch";

fn names(folder: &Path) -> Vec<String> {
    let Ok(items) = fs::read_dir(folder) else { return Vec::new() };
    items.map(|item| item.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_folder_passes_the_conformance_suite() {
    let folder = tempfile::tempdir().unwrap();
    // A root that does not exist yet.
    let store = Store::directory(folder.path().join("not/yet"));
    conformance::check(&store, "").await.unwrap();
    assert_eq!(names(&folder.path().join("not/yet").join(SCRATCH)), Vec::<String>::new(), "no half-written file stays");
}

#[tokio::test]
async fn a_single_threaded_runtime_works_too() {
    let folder = tempfile::tempdir().unwrap();
    conformance::check(&Store::directory(folder.path()), "below/").await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn symbolic_links_never_lead_out_of_the_root() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside");
    let root = folder.path().join("root");
    fs::create_dir_all(&outside).unwrap();
    fs::create_dir_all(root.join("real")).unwrap();
    fs::write(outside.join("secret"), "s").unwrap();
    std::os::unix::fs::symlink(&outside, root.join("folder")).unwrap();
    std::os::unix::fs::symlink(outside.join("secret"), root.join("real/file")).unwrap();
    std::os::unix::fs::symlink(outside.join("nowhere"), root.join("real/dangling")).unwrap();
    let store = Store::directory(&root);
    for key in ["folder/secret", "folder/new", "real/file", "real/dangling"] {
        assert!(matches!(store.get(key).await, Err(StoreError::Link { .. })), "get {key}");
        assert!(matches!(store.put(key, b"x").await, Err(StoreError::Link { .. })), "put {key}");
        assert!(matches!(store.put_once(key, b"x").await, Err(StoreError::Link { .. })), "put_once {key}");
        assert!(matches!(store.head(key).await, Err(StoreError::Link { .. })), "head {key}");
        assert!(matches!(store.copy_from(&store, key, "1-1", "c").await, Err(StoreError::Link { .. })), "copy {key}");
    }
    assert!(matches!(store.list("").await, Err(StoreError::Link { .. })));
    assert!(matches!(store.list("folder/").await, Err(StoreError::Link { .. })));
    assert_eq!(names(&outside), ["secret"]);
    // A root that is itself reached through a link is the user's own choice.
    std::os::unix::fs::symlink(&root, folder.path().join("alias")).unwrap();
    let alias = Store::directory(folder.path().join("alias"));
    assert_eq!(alias.put_once("plain", b"x").await.unwrap(), PutOutcome::Created);
}

#[cfg(unix)]
#[tokio::test]
async fn a_linked_scratch_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(&root).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, root.join(SCRATCH)).unwrap();
    let store = Store::directory(&root);
    assert!(matches!(store.put("a", b"x").await, Err(StoreError::Link { .. })));
    assert!(names(&elsewhere).is_empty());
}

#[tokio::test]
async fn what_a_crash_left_half_written_is_neither_listed_nor_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join(SCRATCH)).unwrap();
    fs::write(folder.path().join(SCRATCH).join("half"), "x").unwrap();
    let store = Store::directory(folder.path());
    store.put_once("a", b"1").await.unwrap();
    let keys: Vec<String> = store.list("").await.unwrap().into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, ["a"]);
    assert!(matches!(store.get(".apportion-scratch/half").await, Err(StoreError::BadKey { .. })));
}

#[tokio::test]
async fn a_file_overwritten_in_place_is_not_the_version_that_was_listed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::directory(folder.path());
    fs::write(folder.path().join("bill"), "before").unwrap();
    let listed = store.list("bill").await.unwrap().remove(0);
    let later = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(2_000_000_000);
    let file = fs::File::options().write(true).open(folder.path().join("bill")).unwrap();
    file.set_modified(later).unwrap();
    let error = store.get_version("bill", &listed.version).await.unwrap_err();
    assert!(matches!(&error, StoreError::Changed { key, .. } if key == "bill"), "{error}");
    let error = store.copy_from(&store, "bill", &listed.version, "copy").await.unwrap_err();
    assert!(matches!(error, StoreError::Changed { .. }));
    assert!(!folder.path().join("copy").exists());
}

#[tokio::test]
async fn a_write_that_fails_at_any_point_leaves_the_old_or_the_new_file() {
    for point in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let plain = Store::directory(folder.path());
        plain.put("replaced", b"old").await.unwrap();
        let faults = Arc::new(Faults::after(point));
        let failing = Store::Directory(Directory::new(folder.path()).with_faults(faults.clone()));
        let replaced = failing.put("replaced", b"new").await;
        let created = failing.put_once("deep/er/created", b"new").await;
        assert_eq!(replaced.is_err() || created.is_err(), point < 6, "six points are passed, failed at {point}");
        let now = plain.get("replaced").await.unwrap();
        assert!(now == b"old" || now == b"new");
        assert!(replaced.is_err() || now == b"new");
        match plain.get("deep/er/created").await {
            Ok(bytes) => assert_eq!(bytes, b"new"),
            Err(error) => assert!(matches!(error, StoreError::NotFound { .. })),
        }
        assert_eq!(names(&folder.path().join(SCRATCH)), Vec::<String>::new());
        assert!(plain.put_same("deep/er/created", b"new").await.is_ok(), "the rerun goes through");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn other_people_may_read_what_was_published() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::directory(folder.path());
    store.put_once("a", b"1").await.unwrap();
    // The same rights as any file that this process makes.
    fs::write(folder.path().join("plain"), "1").unwrap();
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
    assert_eq!(mode("a"), mode("plain"));
}

/// Needs the right to mount a file system of one megabyte; without it says so and passes, except where `CI` is set with root.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_an_error_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        let path = folder.path().to_str().unwrap();
        std::process::Command::new("mount").args(arguments).arg(path).output().is_ok_and(|output| output.status.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=1m", "tmpfs"]) {
        println!("SKIPPED full disk: mounting a tmpfs is not permitted here");
        return;
    }
    let store = Store::directory(folder.path());
    let result = store.put_once("big", &vec![1; 4 << 20]).await;
    let left = names(&folder.path().join(SCRATCH));
    let small = store.put_once("small", b"x").await;
    let unmounted = std::process::Command::new("umount").arg(folder.path()).status().unwrap();
    assert!(unmounted.success());
    assert!(matches!(&result, Err(StoreError::Io { key, .. }) if key == "big"), "{result:?}");
    assert!(left.is_empty());
    assert!(matches!(small, Ok(PutOutcome::Created)), "space is free again");
}
