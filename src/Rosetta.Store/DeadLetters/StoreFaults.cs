using Rosetta.Core.Errors;

namespace Rosetta.Store.DeadLetters;

/// <summary>Faults about which store is in use, with what mends them.</summary>
static class StoreFaults
{
    public static Fault AnotherHasEntries(StoreInUse found, StoreKind wanted, string place) => (found.Kind, wanted) switch
    {
        (StoreKind.ConfigDatabase, _) => new Fault(
            ErrorClass.Operator,
            $"REDIS_URL names a store of dead letters ({place}), and the config database has entries: they would be left behind.",
            "Take REDIS_URL out of every node's environment until the config database's table dead_letters is empty; then set it."),
        (_, StoreKind.ConfigDatabase) => new Fault(
            ErrorClass.Operator, $"REDIS_URL is not set, and the Redis at {found.Place} has dead letters: they would be left behind.",
            $"Set REDIS_URL to the Redis at {found.Place} on every node until its queues are empty; then take it out. {IfLost}"),
        _ => new Fault(
            ErrorClass.Operator, $"REDIS_URL names the Redis at {place}, and the one at {found.Place} has dead letters: they would be left behind.",
            $"Set REDIS_URL to the Redis at {found.Place} on every node until its queues are empty; then change it. {IfLost}"),
    };

    public static Fault Lost(string place, StoreInUse? found) => new(
        ErrorClass.Operator,
        $"The Redis at {place} does not have the dead letters that were put into it{(found is null || found.Place == place ? "" : $" (then at {found.Place})")}: it was emptied, or exchanged.",
        $"Bring its data back (its append-only file), or correct REDIS_URL, if the data is elsewhere. {IfLost}");

    public static Fault EntryLost(string place, string stream) => new(
        ErrorClass.Operator, $"The Redis at {place} lacks entries of the stream {stream} that it should have: somebody deleted them.",
        $"Bring its data back (its append-only file). If it is lost for good: {TakeOut}");

    const string IfLost = $"If it is lost for good, tell Rosetta to forget it (DELETE FROM dead_letter_store; in the config database); then {TakeOut}";

    // A copy alone leaves what is parked of keys that change meanwhile, or that an update has joined: it would be tried without its rows for ever.
    const string TakeOut = "take out what is parked of each table (rosetta dlq discard PIPELINE DESTINATION --table TABLE --reason lost), and resync the table.";
}
