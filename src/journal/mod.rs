//! MEMORY: calls and owed work, in one transaction.
