//! The store over a folder of this machine.
//!
//! A file appears whole: it is written under a hidden folder of the same root, synced, then moved to its name with a rename
//! that never replaces (`put_once`) or does (`put`). What a crash leaves under that folder harms nobody and is never listed.
//! Symbolic links below the root are refused, so no key leads out of it.

use crate::key::SCRATCH;
use crate::{Copied, Entry, PutOutcome, StoreError, check_key, finish_hex};
use sha2::{Digest, Sha256};
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::NamedTempFile;

const CHUNK_BYTES: usize = 1 << 20;

/// A folder as a store.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
    faults: Option<Arc<Faults>>,
}

/// Makes one write fail, and all after it, as a crash would: for crash-point sweeps.
#[derive(Debug)]
pub struct Faults {
    left: AtomicU64,
}

impl Faults {
    /// The first `survived` points pass; then every write fails.
    pub fn after(survived: u64) -> Faults {
        Faults { left: AtomicU64::new(survived) }
    }

    /// Whether a point was refused.
    pub fn struck(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }

    fn point(&self) -> io::Result<()> {
        let step = |left: u64| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other("injected fault")),
        }
    }
}

impl Directory {
    pub fn new(root: impl Into<PathBuf>) -> Directory {
        Directory { root: root.into(), faults: None }
    }

    /// The same folder with faults.
    pub fn with_faults(mut self, faults: Arc<Faults>) -> Directory {
        self.faults = Some(faults);
        self
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) async fn put_once(&self, key: &str, bytes: &[u8]) -> Result<PutOutcome, StoreError> {
        let (key, bytes) = (key.to_owned(), bytes.to_vec());
        self.blocking(move |directory| {
            let path = directory.path(&key)?;
            if exists(&path) {
                return Ok(PutOutcome::Exists);
            }
            let temporary = directory.write_temporary(&key, &bytes)?;
            directory.move_new(temporary, &key, &path)
        })
        .await
    }

    pub(crate) async fn put(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (key, bytes) = (key.to_owned(), bytes.to_vec());
        self.blocking(move |directory| {
            let path = directory.path(&key)?;
            let temporary = directory.write_temporary(&key, &bytes)?;
            let top = directory.make_parents(&key, &path)?;
            directory.point(&key)?;
            temporary.persist(&path).map_err(|refused| directory.io("write", &key, refused.error))?;
            directory.sync_parents(&key, &path, &top)
        })
        .await
    }

    pub(crate) async fn get(&self, key: &str, version: Option<&str>) -> Result<Vec<u8>, StoreError> {
        let (key, version) = (key.to_owned(), version.map(str::to_owned));
        self.blocking(move |directory| {
            let mut bytes = Vec::new();
            directory.read(&key, version.as_deref(), |chunk| {
                bytes.extend_from_slice(chunk);
                Ok(())
            })?;
            Ok(bytes)
        })
        .await
    }

    /// Bytes `from..from + count`, fewer where the file ends.
    pub(crate) async fn part(&self, key: &str, version: &str, from: u64, count: u64) -> Result<Vec<u8>, StoreError> {
        let (key, version) = (key.to_owned(), version.to_owned());
        self.blocking(move |directory| {
            let (mut file, _) = directory.open(&key, Some(&version))?;
            let mut bytes = Vec::new();
            let read = file.seek(SeekFrom::Start(from)).and_then(|_| Read::by_ref(&mut file).take(count).read_to_end(&mut bytes));
            read.map_err(|error| directory.io("read", &key, error))?;
            directory.unchanged(&key, &file, &version)?;
            Ok(bytes)
        })
        .await
    }

    pub(crate) async fn digest(&self, key: &str, version: Option<&str>) -> Result<Copied, StoreError> {
        let (key, version) = (key.to_owned(), version.map(str::to_owned));
        self.blocking(move |directory| {
            let mut hash = Sha256::new();
            let size = directory.read(&key, version.as_deref(), |chunk| {
                hash.update(chunk);
                Ok(())
            })?;
            Ok(Copied { key, sha256: finish_hex(hash), size })
        })
        .await
    }

    pub(crate) async fn head(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let key = key.to_owned();
        self.blocking(move |directory| {
            let path = directory.path(&key)?;
            match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_file() => {
                    Ok(Some(Entry { size: metadata.len(), version: version_of(&metadata), key }))
                }
                Ok(_) => Ok(None),
                Err(error) if is_absent(&error) => Ok(None),
                Err(error) => Err(directory.io("look at", &key, error)),
            }
        })
        .await
    }

    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Entry>, StoreError> {
        let prefix = prefix.to_owned();
        self.blocking(move |directory| {
            // Only the folder that the prefix names is walked, not the whole root.
            let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
            if !folder.is_empty() {
                directory.path(folder)?;
            }
            let mut entries = Vec::new();
            directory.walk(folder, &prefix, &mut entries)?;
            entries.sort();
            Ok(entries)
        })
        .await
    }

    pub(crate) async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let folder = prefix.trim_end_matches('/').to_owned();
        self.blocking(move |directory| {
            let path = if folder.is_empty() { directory.root.clone() } else { directory.path(&folder)? };
            let items = match fs::read_dir(&path) {
                Ok(items) => items,
                Err(error) if is_absent(&error) => return Ok(Vec::new()),
                Err(error) => return Err(directory.io("list", &folder, error)),
            };
            let mut names = Vec::new();
            for item in items {
                let item = item.map_err(|error| directory.io("list", &folder, error))?;
                let kind = item.file_type().map_err(|error| directory.io("list", &folder, error))?;
                if let (true, Ok(name)) = (kind.is_dir(), item.file_name().into_string())
                    && !(folder.is_empty() && name == SCRATCH)
                {
                    names.push(name);
                }
            }
            names.sort();
            Ok(names)
        })
        .await
    }

    pub(crate) async fn copy_from(
        &self,
        source: &Directory,
        source_key: &str,
        source_version: &str,
        key: &str,
    ) -> Result<Copied, StoreError> {
        let (source, source_key) = (source.clone(), source_key.to_owned());
        let (source_version, key) = (source_version.to_owned(), key.to_owned());
        self.blocking(move |directory| {
            let path = directory.path(&key)?;
            let mut hash = Sha256::new();
            if exists(&path) {
                let size = source.read(&source_key, Some(&source_version), |chunk| {
                    hash.update(chunk);
                    Ok(())
                })?;
                let copied = Copied { key, sha256: finish_hex(hash), size };
                return directory.same_as(copied);
            }
            let mut temporary = directory.new_temporary(&key)?;
            let size = source.read(&source_key, Some(&source_version), |chunk| {
                hash.update(chunk);
                temporary.write_all(chunk).map_err(|error| directory.io("write", &key, error))
            })?;
            temporary.as_file().sync_all().map_err(|error| directory.io("write", &key, error))?;
            let copied = Copied { key: key.clone(), sha256: finish_hex(hash), size };
            match directory.move_new(temporary, &key, &path)? {
                PutOutcome::Created => Ok(copied),
                PutOutcome::Exists => directory.same_as(copied),
            }
        })
        .await
    }

    /// The copy that was to be made, if what lies there is the same.
    fn same_as(&self, copied: Copied) -> Result<Copied, StoreError> {
        let mut hash = Sha256::new();
        self.read(&copied.key, None, |chunk| {
            hash.update(chunk);
            Ok(())
        })?;
        if finish_hex(hash) == copied.sha256 {
            Ok(copied)
        } else {
            Err(StoreError::Conflict { key: copied.key, store: self.root.display().to_string() })
        }
    }

    /// Opens a file of this version; gives the version too.
    fn open(&self, key: &str, version: Option<&str>) -> Result<(File, String), StoreError> {
        let path = self.path(key)?;
        let not_found = || StoreError::NotFound { key: key.to_owned(), store: self.root.display().to_string() };
        let failed = |error: io::Error| if is_absent(&error) { not_found() } else { self.io("read", key, error) };
        let file = File::open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(not_found());
        }
        let wanted = version.map_or_else(|| version_of(&metadata), str::to_owned);
        self.unchanged(key, &file, &wanted)?;
        Ok((file, wanted))
    }

    /// Refuses an open file that is not this version.
    fn unchanged(&self, key: &str, file: &File, wanted: &str) -> Result<(), StoreError> {
        let found = version_of(&file.metadata().map_err(|error| self.io("read", key, error))?);
        if found == wanted {
            return Ok(());
        }
        Err(StoreError::Changed { key: key.to_owned(), store: self.root.display().to_string(), wanted: wanted.to_owned(), found })
    }

    /// Streams a file, making sure that it is one version from first to last byte. Returns its size.
    fn read(
        &self,
        key: &str,
        version: Option<&str>,
        mut take: impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        let (mut file, wanted) = self.open(key, version)?;
        let failed = |error: io::Error| self.io("read", key, error);
        let length = file.metadata().map_err(failed)?.len();
        let mut buffer = vec![0; CHUNK_BYTES.min(usize::try_from(length).unwrap_or(CHUNK_BYTES) + 1)];
        let mut size = 0;
        loop {
            let count = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            size += count as u64;
            take(&buffer[..count])?;
        }
        self.unchanged(key, &file, &wanted)?;
        Ok(size)
    }

    fn walk(&self, folder: &str, prefix: &str, entries: &mut Vec<Entry>) -> Result<(), StoreError> {
        let path = if folder.is_empty() { self.root.clone() } else { self.root.join(folder) };
        let items = match fs::read_dir(&path) {
            Ok(items) => items,
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(self.io("list", folder, error)),
        };
        for item in items {
            let item = item.map_err(|error| self.io("list", folder, error))?;
            let name = item.file_name().into_string().map_err(|name| StoreError::NotText {
                path: path.join(name).display().to_string(),
                store: self.root.display().to_string(),
            })?;
            let key = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if key == SCRATCH || !(key.starts_with(prefix) || prefix.starts_with(&format!("{key}/"))) {
                continue;
            }
            let metadata = match fs::symlink_metadata(item.path()) {
                Ok(metadata) => metadata,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(self.io("look at", &key, error)),
            };
            if metadata.is_symlink() {
                return Err(self.link(&item.path()));
            } else if metadata.is_dir() {
                self.walk(&key, prefix, entries)?;
            } else if metadata.is_file() {
                check_key(&key)?;
                entries.push(Entry { size: metadata.len(), version: version_of(&metadata), key });
            }
        }
        Ok(())
    }

    /// The path of a key, provided that no part of it below the root is a symbolic link.
    fn path(&self, key: &str) -> Result<PathBuf, StoreError> {
        check_key(key)?;
        let mut path = self.root.clone();
        for segment in key.split('/') {
            path.push(segment);
            match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_symlink() => return Err(self.link(&path)),
                Ok(_) => {}
                Err(error) if is_absent(&error) => break,
                Err(error) => return Err(self.io("look at", key, error)),
            }
        }
        Ok(self.root.join(key))
    }

    fn new_temporary(&self, key: &str) -> Result<NamedTempFile, StoreError> {
        let scratch = self.root.join(SCRATCH);
        self.point(key)?;
        fs::create_dir_all(&scratch).map_err(|error| self.io("write", key, error))?;
        if fs::symlink_metadata(&scratch).is_ok_and(|metadata| metadata.is_symlink()) {
            return Err(self.link(&scratch));
        }
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask, like any file
        builder.tempfile_in(&scratch).map_err(|error| self.io("write", key, error))
    }

    /// A synced file with these bytes that has no name yet; dropping it removes it.
    fn write_temporary(&self, key: &str, bytes: &[u8]) -> Result<NamedTempFile, StoreError> {
        let mut temporary = self.new_temporary(key)?;
        let written = temporary.write_all(bytes).and_then(|()| temporary.as_file().sync_all());
        written.map_err(|error| self.io("write", key, error))?;
        Ok(temporary)
    }

    fn move_new(&self, temporary: NamedTempFile, key: &str, path: &Path) -> Result<PutOutcome, StoreError> {
        let top = self.make_parents(key, path)?;
        self.point(key)?;
        match temporary.persist_noclobber(path) {
            Ok(_) => {
                self.sync_parents(key, path, &top)?;
                Ok(PutOutcome::Created)
            }
            Err(refused) if refused.error.kind() == ErrorKind::AlreadyExists => Ok(PutOutcome::Exists),
            Err(refused) => Err(self.io("write", key, refused.error)),
        }
    }

    /// Makes the folders of a key; gives the lowest that was there before.
    fn make_parents(&self, key: &str, path: &Path) -> Result<PathBuf, StoreError> {
        let parent = path.parent().unwrap_or(&self.root);
        let top = parent.ancestors().find(|folder| folder.is_dir()).unwrap_or(&self.root).to_path_buf();
        fs::create_dir_all(parent).map_err(|error| self.io("write", key, error))?;
        Ok(top)
    }

    /// Makes the new names durable, from the file's up to `top`. Not every file system can sync a folder; that is no error.
    fn sync_parents(&self, key: &str, path: &Path, top: &Path) -> Result<(), StoreError> {
        self.point(key)?;
        for folder in path.ancestors().skip(1).take_while(|folder| folder.starts_with(top)) {
            if let Ok(folder) = File::open(folder) {
                let _ = folder.sync_all();
            }
        }
        Ok(())
    }

    fn point(&self, key: &str) -> Result<(), StoreError> {
        match &self.faults {
            Some(faults) => faults.point().map_err(|error| self.io("write", key, error)),
            None => Ok(()),
        }
    }

    fn io(&self, action: &'static str, key: &str, source: io::Error) -> StoreError {
        StoreError::Io { action, key: key.to_owned(), store: self.root.display().to_string(), source }
    }

    fn link(&self, path: &Path) -> StoreError {
        StoreError::Link { path: path.display().to_string(), store: self.root.display().to_string() }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Directory) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let directory = self.clone();
        match tokio::task::spawn_blocking(move || work(&directory)).await {
            Ok(result) => result,
            Err(error) => Err(self.io("work on", "", io::Error::other(error))),
        }
    }
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn version_of(metadata: &Metadata) -> String {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    format!("{}-{}", metadata.len(), modified.map_or(0, |since| since.as_nanos()))
}
