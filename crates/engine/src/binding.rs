//! Stub until the branch `trino` has it.
pub fn bind(statement: &crate::Statement, _database: &str) -> String {
    statement.sql.clone()
}
