"""What is read from hosts, virtual machines, clusters and the directory: each fact beside the query that reads it."""
