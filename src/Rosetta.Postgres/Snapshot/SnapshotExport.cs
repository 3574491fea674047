using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Replication;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Snapshot;

/// <summary>
/// A snapshot that the making of a slot exported: it shows exactly the transactions with a commit LSN below <see cref="Since"/>, and a stream
/// from there shows the others. It lives as long as this object: nothing else is sent on its connection. Dispose of it once the workers have
/// imported it; a temporary slot then goes, the main slot stays.
/// </summary>
public sealed class SnapshotExport : IAsyncDisposable
{
    readonly ReplicationConnection _connection;
    readonly PgEndpoint _endpoint;
    readonly string _snapshot;

    SnapshotExport(ReplicationConnection connection, PgEndpoint endpoint, CreatedSlot slot)
    {
        _connection = connection;
        _endpoint = endpoint;
        _snapshot = slot.SnapshotName ?? throw new InvalidOperationException($"Slot {slot.Name} was made without a snapshot.");
        SlotName = slot.Name;
        Since = slot.ConsistentPoint;
    }

    /// <summary>The slot whose making exported it.</summary>
    public string SlotName { get; }

    /// <summary>The slot's consistent point: changes with a commit LSN below are in the snapshot, the others are not.</summary>
    public Lsn Since { get; }

    /// <summary>Makes a slot and keeps its snapshot.</summary>
    /// <param name="database">Our door to the source; its endpoint's application name should be a <see cref="Core.Pipelines.SessionName"/>.</param>
    /// <param name="slotName">The pipeline's slot, or for a temporary one a name that carries the epoch (<see cref="SourceNames.TemporarySlot"/>).</param>
    /// <param name="isTemporary">It goes with this object; otherwise it stays, and has to be recorded.</param>
    /// <param name="failover">See <see cref="SlotRequest.Failover"/>.</param>
    /// <param name="waits">Told what the making waits for.</param>
    /// <param name="walsender">Makes the slot, and is ours from now on; null: a new one does.</param>
    /// <exception cref="PgServerException">See <see cref="ReplicationConnection.CreateSlotAsync"/>.</exception>
    public static async Task<SnapshotExport> CreateAsync(
        SourceDatabase database, string slotName, bool isTemporary, bool failover = false, IProgress<SlotCreationWait>? waits = null,
        TimeProvider? time = null, ReplicationConnection? walsender = null, CancellationToken cancellationToken = default)
    {
        var connection = walsender ?? await ReplicationConnection.OpenAsync(database.Endpoint, cancellationToken: cancellationToken);
        try
        {
            if (connection.ServerVersion >= SnapshotSession.TransactionTimeoutVersion)
                await connection.QueryAsync("SET transaction_timeout = 0", cancellationToken);
            var request = new SlotRequest(slotName) { IsTemporary = isTemporary, ExportsSnapshot = true, Failover = failover };
            var slot = await SlotCreationWatch.CreateAsync(connection, request, database, waits, time ?? TimeProvider.System, cancellationToken);
            return new SnapshotExport(connection, database.Endpoint, slot);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Opens a session that holds a table before a snapshot is made: what would rewrite it waits until the session has read it. The statement that waits may
    /// hold up the making of the slot, so whoever reserves gives up after a moment.
    /// </summary>
    public static async Task<PgConnection> ReserveAsync(SourceDatabase database, TableName table, CancellationToken cancellationToken)
    {
        var connection = await SnapshotSession.OpenAsync(database.Endpoint, cancellationToken);
        try
        {
            // LOCK TABLE takes no snapshot of its own, so that one can still be imported.
            await connection.QueryAsync($"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE {table.ToSql()} IN ACCESS SHARE MODE", cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Opens sessions that all see the snapshot, and keep it after this object has gone.</summary>
    /// <param name="reserved">From <see cref="ReserveAsync"/>, to be the first of them; null for none. It is theirs from now on.</param>
    /// <exception cref="FaultException">The snapshot is gone: make another.</exception>
    public async Task<SnapshotWorkers> ImportAsync(int count, CancellationToken cancellationToken, PgConnection? reserved = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        return await ImportAsync(await ReaderSessions.OpenAsync(_endpoint, reserved is null ? count : count - 1, cancellationToken), cancellationToken, reserved);
    }

    /// <summary>The same in sessions that were opened beforehand; they are theirs from now on.</summary>
    public async Task<SnapshotWorkers> ImportAsync(ReaderSessions sessions, CancellationToken cancellationToken, PgConnection? reserved = null)
    {
        ArgumentNullException.ThrowIfNull(sessions);
        await using var left = sessions;
        var workers = new List<SnapshotWorker>();
        try
        {
            if (reserved is not null)
            {
                workers.Add(new SnapshotWorker(reserved, Since));
                await reserved.QueryAsync($"SET TRANSACTION SNAPSHOT {SqlIdentifier.Literal(_snapshot)}", cancellationToken);
            }

            while (await sessions.NextAsync($"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {SqlIdentifier.Literal(_snapshot)}", cancellationToken) is { } connection)
                workers.Add(new SnapshotWorker(connection, Since));

            return new SnapshotWorkers(Since, workers);
        }
        catch (Exception e)
        {
            foreach (var worker in workers)
                await worker.DisposeAsync();
            if (e is PgServerException { SqlState: "22023" or "55000" or "42704" })
                throw new FaultException(new Fault(ErrorClass.Transient, $"The exported snapshot is gone: {e.Message}", null), e);
            throw;
        }
    }

    /// <summary>Ends the export. A slot's making that is under way elsewhere is not concerned.</summary>
    public ValueTask DisposeAsync() => _connection.DisposeAsync();
}

/// <summary>Sessions that see one snapshot. Each copies one table at a time.</summary>
public sealed class SnapshotWorkers(Lsn since, IReadOnlyList<SnapshotWorker> workers) : IAsyncDisposable
{
    /// <summary>See <see cref="SnapshotExport.Since"/>.</summary>
    public Lsn Since { get; } = since;

    public IReadOnlyList<SnapshotWorker> Workers { get; } = workers;

    /// <summary>Ends all of them, and the snapshot with the last.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var worker in Workers)
            await worker.DisposeAsync();
    }
}
