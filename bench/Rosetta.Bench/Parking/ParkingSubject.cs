using System.Diagnostics;
using Rosetta.Bench.Processes;
using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Postgres.Destination;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Wire;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;

namespace Rosetta.Bench.Parking;

/// <param name="CpuSeconds">Of this process and of the server's backends.</param>
readonly record struct ApplyCost(double Seconds, double CpuSeconds);

/// <summary>A destination's session with a table of its own, which is given batches directly: what is measured is the apply alone.</summary>
sealed class ParkingSubject : IAsyncDisposable
{
    public static readonly TableName Table = new("public", "stock");

    readonly IDestinationSession _session;
    readonly PostgresServer _server;
    readonly string _database;

    ParkingSubject(string name, PostgresServer server, IDestinationSession session, string database) => (Name, _server, _session, _database) = (name, server, session, database);

    public string Name { get; }

    /// <summary>Changes that were not applied.</summary>
    public long Parked { get; private set; }

    /// <param name="rows">The table's, with ids from 1 on.</param>
    public static async Task<ParkingSubject> CreateAsync(string name, PostgresServer server, long rows, bool parks, CancellationToken cancellationToken)
    {
        var database = $"parking_{name}";
        await server.CreateDatabaseAsync(database, cancellationToken);
        await server.ExecuteAsync(
            $"CREATE TABLE stock (id bigint PRIMARY KEY, v int NOT NULL, note text NOT NULL); INSERT INTO stock SELECT i, 0, repeat('n', 60) FROM generate_series(1, {rows}) i", database, cancellationToken);
        await server.ExecuteAsync("VACUUM ANALYZE stock", database, cancellationToken);
        var endpoint = new PgEndpoint { Host = server.Host, Port = server.Port, Database = database, User = "postgres" };
        await using var source = new SourceDatabase(endpoint);
        var catalog = new SourceCatalog(source);
        var description = (await catalog.DescribeAsync(Table, cancellationToken))!;
        var opening = new DestinationOpening(Guid.NewGuid(), 1, Guid.NewGuid(), 1, new Lsn(1), catalog) { Parking = parks ? new NoStore() : null };
        var session = await new PostgresDestination(endpoint).OpenAsync(opening, cancellationToken);
        var route = new TableRoute(Table, Table, null);
        await session.AdoptTableAsync(new TableCopy(route, description, new Lsn(1), false, CopyFormat.Binary, null), cancellationToken);
        session.Route(new Dictionary<TableName, TableRoute> { [Table] = route });
        return new ParkingSubject(name, server, session, database) { Relation = RelationOf(description) };
    }

    /// <summary>As the stream would describe its table, which has another number in each database.</summary>
    public required Relation Relation { get; init; }

    static Relation RelationOf(TableDescription table) => new(
        table.Oid, Table.Schema, Table.Name, ReplicaIdentity.Default,
        [new RelationColumn("id", 20, -1, true), new RelationColumn("v", 23, -1, false), new RelationColumn("note", 25, -1, false)]);

    public Task ExecuteAsync(string sql, CancellationToken cancellationToken) => _server.ExecuteAsync(sql, _database, cancellationToken);

    /// <summary>Applies a group, and says what that took.</summary>
    public async Task<ApplyCost> ApplyAsync(ChangeBatch group, CancellationToken cancellationToken)
    {
        var (began, cpu) = (Stopwatch.GetTimestamp(), Cpu());
        var result = await _session.ApplyAsync(new ApplyGroup([group]), cancellationToken);
        var cost = new ApplyCost(Stopwatch.GetElapsedTime(began).TotalSeconds, Cpu() - cpu);
        if (result.Stops.Count > 0)
            throw new InvalidOperationException($"{Name}: {result.Stops[0].Value.Describe()}");
        Parked += result.Parked;
        return cost;
    }

    double Cpu() => Environment.CpuUsage.TotalTime.TotalSeconds + (_server.ProcessId is { } id && ProcessIdentity.Find(id) is { } postmaster ? CpuSample.OfBackends(postmaster) : 0);

    public async ValueTask DisposeAsync() => await _session.DisposeAsync();

    /// <summary>Payloads go nowhere: a store takes those of a group in one call.</summary>
    sealed class NoStore : IParking
    {
        // No table stops: how much fails is what is measured.
        public ParkingLimits Limits { get; } = new(1_000_000, 10_000_000, TimeSpan.FromMinutes(10), 0.9, 1_000_000);

        public ValueTask ParkAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }
}
