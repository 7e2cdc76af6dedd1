//! What every engine must do alike. See `run_all`.
