"""Neo4j: a projection of published graphs, for search and for people who look at them there."""
