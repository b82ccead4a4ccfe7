//! Who is who: users and agents, groups and groups.
