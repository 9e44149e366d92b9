package pg

// Maintenance is the database that holds the ledger and where what belongs to no
// database is done.
const Maintenance = "postgres"
