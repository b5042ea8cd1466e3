//! Campaigns on disk: one folder each, one file an attempt, every file written whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use outpace_record::{Attempt, Campaign, CampaignState, Document};

use outpace_gate::GateError;
use outpace_process::write_whole;

/// The folder of all campaigns of a repository.
#[derive(Debug, Clone)]
pub struct CampaignStore {
    root: PathBuf,
}

/// A campaign that this process works on. The repository's lock keeps others away.
#[derive(Debug)]
pub struct CampaignDir {
    /// Where it is.
    pub folder: PathBuf,
}

impl CampaignStore {
    /// Below the state folder of the repository.
    pub fn new(state_dir: &Path) -> Self {
        Self {
            root: state_dir.join("campaigns"),
        }
    }

    /// Ids of all campaigns, oldest first.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<String>, GateError> {
        let Ok(entries) = fs::read_dir(&self.root) else {
            return Ok(Vec::new());
        };
        let mut ids = Vec::new();
        for entry in entries {
            let entry = entry.map_err(GateError::disk(&self.root))?;
            if entry.path().join("campaign.json").is_file() {
                ids.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// The newest campaign that is not finished.
    ///
    /// # Errors
    /// A campaign cannot be read.
    pub fn unfinished(&self) -> Result<Option<String>, GateError> {
        for id in self.list()?.into_iter().rev() {
            if self.campaign(&id)?.state != CampaignState::Finished {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Reads a campaign.
    ///
    /// # Errors
    /// It is not there or cannot be understood.
    pub fn campaign(&self, id: &str) -> Result<Campaign, GateError> {
        read(&self.root.join(id).join("campaign.json"))
    }

    /// Reads a campaign's attempts, in order.
    ///
    /// # Errors
    /// One cannot be understood.
    pub fn attempts(&self, id: &str) -> Result<Vec<Attempt>, GateError> {
        let folder = self.root.join(id).join("attempts");
        let Ok(entries) = fs::read_dir(&folder) else {
            return Ok(Vec::new());
        };
        let paths = entries.map(|entry| entry.map(|e| e.path()));
        let mut paths: Vec<PathBuf> = paths
            .collect::<Result<_, _>>()
            .map_err(GateError::disk(&folder))?;
        // A file that was being written when the process was killed has another ending.
        paths.retain(|path| path.extension().is_some_and(|e| e == "json"));
        paths.sort();
        paths.iter().map(|path| read(path)).collect()
    }

    /// Begins or continues work on a campaign.
    ///
    /// # Errors
    /// I/O error.
    pub fn open(&self, id: &str) -> Result<CampaignDir, GateError> {
        let folder = self.root.join(id);
        for sub in ["attempts", "logs"] {
            fs::create_dir_all(folder.join(sub)).map_err(GateError::disk(&folder))?;
        }
        Ok(CampaignDir { folder })
    }

    /// An id that is not taken, from the moment a campaign begins: `20260519-083000`.
    pub fn fresh_id(&self, moment: &str) -> String {
        let digits: String = moment
            .chars()
            .filter(char::is_ascii_digit)
            .take(14)
            .collect();
        let id = format!("{}-{}", &digits[..8], &digits[8..]);
        let taken = |id: &str| self.root.join(id).exists();
        if !taken(&id) {
            return id;
        }
        (2..)
            .map(|n| format!("{id}-{n}"))
            .find(|id| !taken(id))
            .expect("there are more numbers than folders")
    }
}

impl CampaignDir {
    /// Writes what the campaign is and where it stands.
    ///
    /// # Errors
    /// I/O error.
    pub fn save_campaign(&self, campaign: &Campaign) -> Result<(), GateError> {
        write(&self.folder.join("campaign.json"), &campaign.to_json())
    }

    /// Writes one attempt.
    ///
    /// # Errors
    /// I/O error.
    pub fn save_attempt(&self, attempt: &Attempt) -> Result<(), GateError> {
        write(
            &self
                .folder
                .join(format!("attempts/{:05}.json", attempt.number)),
            &attempt.to_json(),
        )
    }

    /// Where logs are kept.
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }
}

fn read<T: Document>(path: &Path) -> Result<T, GateError> {
    let text = fs::read_to_string(path).map_err(GateError::disk(path))?;
    T::from_json(&text).map_err(|source| GateError::Stored {
        path: path.display().to_string(),
        source,
    })
}

fn write(path: &Path, text: &str) -> Result<(), GateError> {
    write_whole(path, text.as_bytes()).map_err(GateError::disk(path))
}
