//! A Zendesk look-alike for the demo, the tests and an admin's rehearsal.
