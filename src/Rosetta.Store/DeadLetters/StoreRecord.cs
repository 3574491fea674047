using Dapper;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Store.Configuration;
using Rosetta.Store.Runtime;

namespace Rosetta.Store.DeadLetters;

/// <summary>Kinds of stores of dead letters.</summary>
public enum StoreKind
{
    ConfigDatabase,
    Redis,
}

/// <summary>
/// Which store keeps an installation's dead letters, in the config database: another one is refused while entries are in the first. Entries in a Redis cannot be
/// counted by a node that is told to use another place, so each queue is marked here before its first entry and unmarked after its last.
/// </summary>
public sealed class StoreRecord(ConfigDatabase database, Guid installation)
{
    public Guid Installation { get; } = installation;

    /// <summary>Null before the first use.</summary>
    /// <exception cref="DeadLetterStoreException">The config database is away.</exception>
    public Task<StoreInUse?> FindAsync(CancellationToken cancellationToken) => GuardAsync(() => database.ReadAsync(
        async connection => (await connection.QuerySingleOrDefaultAsync<Row>(new CommandDefinition(Select, cancellationToken: cancellationToken)).ConfigureAwait(false))?.ToStore(),
        cancellationToken));

    /// <summary>Makes a store the one in use, or finds that it is.</summary>
    /// <exception cref="DeadLetterStoreException">Another one is in use and has entries; or the config database is away.</exception>
    public Task ClaimAsync(StoreKind kind, Guid identity, string place, CancellationToken cancellationToken) => GuardAsync(() => database.TransactAsync(
        async (connection, transaction) =>
        {
            var mine = new { kind = Text(kind), identity, place };
            var row = await connection.QuerySingleAsync<Row>(new CommandDefinition(
                $"INSERT INTO dead_letter_store (kind, identity, place) VALUES (@kind, @identity, @place) ON CONFLICT (singleton) DO NOTHING; {Select} FOR UPDATE",
                mine, transaction, cancellationToken: cancellationToken)).ConfigureAwait(false);
            var found = row.ToStore();
            if (found.Kind == kind && found.Identity == identity)
                return true;
            // A statement of its own, behind the lock: marks take the row in share mode.
            var hasEntries = await connection.ExecuteScalarAsync<bool>(new CommandDefinition(
                $"SELECT {HasEntries}", transaction: transaction, cancellationToken: cancellationToken)).ConfigureAwait(false);
            if (hasEntries)
                throw new DeadLetterStoreException(StoreFaults.AnotherHasEntries(found, kind, place));
            await connection.ExecuteAsync(new CommandDefinition(
                "UPDATE dead_letter_store SET kind = @kind, identity = @identity, place = @place, since = clock_timestamp()", mine, transaction,
                cancellationToken: cancellationToken)).ConfigureAwait(false);
            return true;
        },
        cancellationToken));

    /// <summary>Marks a queue as one that may have entries in the Redis of this identity.</summary>
    /// <returns>False: another store has become the one in use.</returns>
    /// <exception cref="FencedException">A newer epoch was issued.</exception>
    /// <exception cref="DeadLetterStoreException">The config database is away.</exception>
    internal async Task<bool> MarkAsync(DeadLetterQueue queue, long epoch, Guid identity, CancellationToken cancellationToken)
    {
        var (isNewest, isInUse) = await GuardAsync(() => database.WriteAsync(
            connection => connection.QuerySingleAsync<(bool, bool)>(new CommandDefinition(
                $"""
                WITH {EpochRepository.Fence}, store AS (SELECT s.identity FROM dead_letter_store s WHERE s.identity = @identity FOR SHARE), marked AS (
                    INSERT INTO dead_letter_queues (pipeline_id, destination_id, generation, identity)
                    SELECT @PipelineId, @DestinationId, @Generation, store.identity FROM fence, store
                    ON CONFLICT (pipeline_id, destination_id, generation) DO UPDATE SET identity = excluded.identity)
                SELECT EXISTS (SELECT FROM fence), EXISTS (SELECT FROM store)
                """,
                new { queue.PipelineId, queue.DestinationId, queue.Generation, Epoch = epoch, identity }, cancellationToken: cancellationToken)),
            cancellationToken)).ConfigureAwait(false);
        return isNewest ? isInUse : throw new FencedException("the config database", epoch);
    }

    /// <summary>The queue may have entries in a Redis.</summary>
    /// <exception cref="DeadLetterStoreException">The config database is away.</exception>
    internal Task<bool> IsMarkedAsync(DeadLetterQueue queue, CancellationToken cancellationToken) => GuardAsync(() => database.ReadAsync(
        connection => connection.ExecuteScalarAsync<bool>(new CommandDefinition(
            "SELECT EXISTS (SELECT FROM dead_letter_queues WHERE pipeline_id = @PipelineId AND destination_id = @DestinationId AND generation = @Generation)",
            new { queue.PipelineId, queue.DestinationId, queue.Generation }, cancellationToken: cancellationToken)),
        cancellationToken));

    /// <summary>The queue is empty. By an older epoch nothing is done.</summary>
    /// <exception cref="DeadLetterStoreException">The config database is away.</exception>
    internal Task UnmarkAsync(DeadLetterQueue queue, long epoch, CancellationToken cancellationToken) => GuardAsync(() => database.WriteAsync(
        connection => connection.ExecuteAsync(new CommandDefinition(
            $"""
            WITH {EpochRepository.Fence}
            DELETE FROM dead_letter_queues USING fence WHERE pipeline_id = @PipelineId AND destination_id = @DestinationId AND generation = @Generation
            """,
            new { queue.PipelineId, queue.DestinationId, queue.Generation, Epoch = epoch }, cancellationToken: cancellationToken)),
        cancellationToken));

    const string HasEntries =
        "CASE (SELECT s.kind FROM dead_letter_store s) WHEN 'REDIS' THEN EXISTS (SELECT FROM dead_letter_queues) ELSE EXISTS (SELECT FROM dead_letters) END";

    const string Select = $"SELECT kind, identity, place, {HasEntries} AS has_entries FROM dead_letter_store";

    static string Text(StoreKind kind) => kind is StoreKind.Redis ? "REDIS" : "CONFIG_DATABASE";

    Task<T> GuardAsync<T>(Func<Task<T>> work) => ConfigStoreFaults.GuardAsync(database.Where, work);

    sealed record Row(string Kind, Guid Identity, string Place, bool HasEntries)
    {
        public StoreInUse ToStore() => new(Kind == "REDIS" ? StoreKind.Redis : StoreKind.ConfigDatabase, Identity, Place, HasEntries);
    }
}

/// <summary>The store that <see cref="StoreRecord"/> holds.</summary>
/// <param name="Identity">Of a Redis: what its marker says; of the config database the installation's.</param>
/// <param name="Place">For messages.</param>
public sealed record StoreInUse(StoreKind Kind, Guid Identity, string Place, bool HasEntries);
