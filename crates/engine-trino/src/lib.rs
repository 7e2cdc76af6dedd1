//! A Trino cluster of one's own as a query engine.
