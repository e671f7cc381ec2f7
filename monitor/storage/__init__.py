"""The databases: state.db never loses, history.db is batched, bounded and counted."""
