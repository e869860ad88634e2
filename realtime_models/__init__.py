"""The networks: specification, definitions, back ends, export, weights and training."""
