using Microsoft.Extensions.Logging;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Apply;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Parking;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination;

/// <summary>
/// A hold on a PostgreSQL destination: one connection for the stream of changes; copies and changes of table states have connections of their
/// own, so that they run beside it.
/// </summary>
sealed partial class PostgresSession : IDestinationSession
{
    readonly PgConnection _connection;
    readonly PgEndpoint _endpoint;
    readonly DestinationOpening _opening;
    readonly PositionRow _row;
    readonly TableClaims _claims;
    readonly SpareConnections _spare;
    readonly ApplyContext _context;
    readonly PlanBook _book = new();
    readonly GroupApplier _applier;
    readonly ApplyMemory _memory;
    readonly Flight _closing;
    readonly ILogger _logger;
    readonly SemaphoreSlim _gate = new(1, 1);
    readonly Lock _states = new();
    volatile IReadOnlyDictionary<TableName, StoredTable> _stored;
    volatile Dictionary<TableName, TableRoute> _routes = [];
    volatile IReadOnlyDictionary<TableName, DestinationTable> _tables;
    ulong _position;
    int _disposed;
    Lsn? _open;

    public PostgresSession(
        PgConnection connection, PgEndpoint endpoint, DestinationOpening opening, PositionRow row, bool replicaRole, Lsn position,
        IReadOnlyDictionary<TableName, StoredTable> stored, ApplyMemory memory, ParkingLot? lot, ILogger logger)
    {
        _lot = lot;
        _connection = connection;
        _endpoint = endpoint;
        _opening = opening;
        _row = row;
        _claims = new TableClaims(opening);
        _spare = new SpareConnections(OpenAnotherAsync, TimeProvider.System);
        _memory = memory;
        _logger = logger;
        _stored = stored;
        _tables = stored.ToDictionary(p => p.Key, p => p.Value.Table);
        Position = position;
        _context = new ApplyContext(connection, opening, row, replicaRole)
        {
            OnOwnConnection = (work, token) => OnOwnConnectionAsync(
                async other =>
                {
                    await work(other);
                    return true;
                }, token),
        };
        _closing = new Flight(connection);
        _applier = new GroupApplier(_context, _book, memory, lot);
    }

    public Lsn Position
    {
        get => new(Volatile.Read(ref _position));
        private set => Volatile.Write(ref _position, value.Value);
    }

    public bool IsCutOff => _connection.IsBroken;

    public IReadOnlyDictionary<TableName, DestinationTable> Tables => _tables;

    /// <summary>Triggers and foreign keys at the destination do not act on what we write.</summary>
    public bool HasReplicaRole => _context.ReplicaRole;

    public void Route(IReadOnlyDictionary<TableName, TableRoute> routes) => _routes = new Dictionary<TableName, TableRoute>(routes);

    void Store(TableName source, StoredTable? table)
    {
        lock (_states)
        {
            var stored = new Dictionary<TableName, StoredTable>(_stored);
            if (table is null)
                stored.Remove(source);
            else
                stored[source] = table;
            Replace(stored);
        }
    }

    void Replace(Dictionary<TableName, StoredTable> stored)
    {
        _tables = stored.ToDictionary(p => p.Key, p => p.Value.Table);
        _stored = stored;
    }

    TableName TargetOf(TableName source) =>
        _routes.TryGetValue(source, out var route) ? route.Target : _stored.TryGetValue(source, out var stored) ? stored.Table.Target : source;

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        // An apply that hangs is cut off; it fails and gives the gate back.
        if (!await _gate.WaitAsync(TimeSpan.Zero))
        {
            await _connection.DisposeAsync();
            await _gate.WaitAsync();
        }

        await _spare.DisposeAsync();
        await _context.Line.AbandonAsync();
        await _connection.DisposeAsync();
        _closing.Dispose();
        _context.Dispose();
        _book.Dispose();
        _lateBook.Dispose();
    }
}
