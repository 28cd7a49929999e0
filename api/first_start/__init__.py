"""The five questions that a new server asks whoever set it up."""
