"""What the roles speak to: the Model contract, its back ends and the layers around a call. Knows no prompt template."""
