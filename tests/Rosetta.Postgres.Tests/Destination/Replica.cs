using System.Globalization;
using Npgsql;
using Rosetta.Core.Changes;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Postgres.Destination;
using Rosetta.Postgres.Replication;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Wire;
using Rosetta.Testing.Equality;
using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>
/// A source database, its slot, and a target database that is kept equal through a <see cref="PostgresDestination"/>. The stream is real: what
/// the slot's pgoutput says, fetched by SQL when a test asks for it.
/// </summary>
public sealed class Replica : IAsyncDisposable
{
    readonly PostgresServer _server;
    readonly PostgresServer _sourceServer;
    readonly string _slot;
    readonly SourceDatabase _sourceDatabase;
    Relation[] _known = [];
    NpgsqlConnection? _reading;

    Replica(PostgresServer server, PostgresServer sourceServer, int number, string user)
    {
        _server = server;
        _sourceServer = sourceServer;
        var n = number.ToString(CultureInfo.InvariantCulture);
        Source = $"source \"{n}\"";
        Target = $"target '{n}'";
        _slot = $"slot_{n}";
        Opening = new DestinationOpening(Guid.NewGuid(), number, Guid.NewGuid(), 1, default, null!);
        _sourceDatabase = new SourceDatabase(SourceEndpoint);
        Catalog = new SourceCatalog(_sourceDatabase);
        Destination = new PostgresDestination(Endpoint(Target) with { User = user }, logger: Events);
    }

    public string Source { get; }

    public string Target { get; }

    public SourceCatalog Catalog { get; }

    public PostgresDestination Destination { get; }

    /// <summary>What the destination logged.</summary>
    public RecordedEvents Events { get; } = new();

    public DestinationOpening Opening { get; private set; }

    public IDestinationSession Session { get; private set; } = null!;

    /// <summary>Changes that cannot be applied go there, from the next session on.</summary>
    public void Park(Core.DeadLetters.IParking parking) => Opening = Opening with { Parking = parking };

    /// <summary>Tables that have parked changes; true: all of theirs are.</summary>
    public IReadOnlyDictionary<TableName, bool> Parked => ((PostgresSession)Session).Parked;

    public Dictionary<TableName, TableRoute> Routes { get; } = [];

    public List<ApplyResult> Results { get; } = [];

    /// <param name="sourceServer">Null: the source is on the same server.</param>
    public static async Task<Replica> CreateAsync(PostgresServer server, int number, string sourceSql, string user, PostgresServer? sourceServer = null)
    {
        var replica = new Replica(server, sourceServer ?? server, number, user);
        await replica._sourceServer.CreateDatabaseAsync(replica.Source);
        await server.CreateDatabaseAsync(replica.Target);
        await replica.SourceAsync(sourceSql);
        await replica.SourceAsync("CREATE PUBLICATION everything FOR ALL TABLES");
        await replica.SourceAsync($"SELECT pg_create_logical_replication_slot('{replica._slot}', 'pgoutput')");
        replica.Opening = replica.Opening with { Source = replica.Catalog };
        return replica;
    }

    public PgEndpoint SourceEndpoint => new() { Host = _sourceServer.Host, Port = _sourceServer.Port, Database = Source, User = "postgres" };

    public string TargetConnection => _server.ConnectionString(Target);

    public string SourceConnection => _sourceServer.ConnectionString(Source);

    public Task<T?> SourceScalarAsync<T>(string sql) => _sourceServer.ScalarAsync<T>(sql, Source);

    /// <summary>Applies everything that the source has committed, and moves the position there.</summary>
    /// <param name="parks">Some changes may be parked.</param>
    public async Task FollowAsync(int changesPerBatch = int.MaxValue, bool parks = false)
    {
        // A flushed position may lie inside a record, whose rest the reading would wait for: this commit flushes it.
        await using var flush = new NpgsqlCommand(
            "SELECT pg_logical_emit_message(true, '', ''); SELECT pg_current_wal_flush_lsn()::text", _reading ??= await _sourceServer.OpenAsync(Source));
        await using var answer = await flush.ExecuteReaderAsync();
        await answer.NextResultAsync();
        await answer.ReadAsync();
        var flushed = Lsn.Parse(answer.GetString(0));
        await answer.DisposeAsync();
        if (parks)
            Assert.Empty((await SyncWithStopsAsync(changesPerBatch)).Stops);
        else
            await SyncAsync(changesPerBatch);
        await Session.AdvanceAsync(flushed, default);
    }

    public PgEndpoint Endpoint(string database) => new() { Host = _server.Host, Port = _server.Port, Database = database, User = "postgres" };

    public Task<int> SourceAsync(string sql) => _sourceServer.ExecuteAsync(sql, Source);

    public Task<int> TargetAsync(string sql) => _server.ExecuteAsync(sql, Target);

    public Task<T?> TargetScalarAsync<T>(string sql) => _server.ScalarAsync<T>(sql, Target);

    /// <summary>Opens a session and copies (or re-routes) every table of the source.</summary>
    public async Task<IDestinationSession> StartAsync(params string[] adopted)
    {
        // Nothing moves at the source now, so a copy is as good as one from a snapshot exported here.
        var now = await _sourceServer.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text", Source);
        Opening = Opening with { StartPosition = Lsn.Parse(now!) };
        Session = await Destination.OpenAsync(Opening, default);
        foreach (var table in await Catalog.ListAsync(null, default))
        {
            Routes.TryAdd(table.Name, new TableRoute(table.Name, table.Name, null));
            if (Session.Tables.ContainsKey(table.Name))
                continue;
            var copy = new TableCopy(Routes[table.Name], table.Description, Opening.StartPosition, false, CopyFormat.Binary, null);
            if (adopted.Contains(table.Name.Name))
                await Session.AdoptTableAsync(copy, default);
            else
                await CopyAsync(copy);
        }

        Session.Route(Routes);
        return Session;
    }

    public async Task<CopyOutcome> CopyAsync(TableCopy copy)
    {
        await using var source = await SqlCopySource.OpenAsync(_sourceServer.ConnectionString(Source), copy);
        return await Session.CopyTableAsync(copy, source, default);
    }

    /// <summary>Runs the SQL that a stop's remedy begins with, as somebody who may, and copies the table again.</summary>
    public async Task MendAsync(TableName table, string remedy)
    {
        var resync = remedy.IndexOf("POST /api/v1/pipelines/", StringComparison.Ordinal);
        Assert.True(resync >= 0, remedy);
        var sql = remedy[..resync].TrimEnd();
        Assert.True(sql.Length == 0 || sql.EndsWith("; Then", StringComparison.Ordinal), remedy);
        if (sql.Length > 0)
            await TargetAsync(sql[..^"Then".Length]);
        await ResyncAsync(table);
        Events.Clear();
    }

    /// <summary>Copies a table again. What the source did before has been read.</summary>
    public async Task ResyncAsync(TableName table)
    {
        var now = await _sourceServer.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text", Source);
        var description = await Catalog.DescribeAsync(table, default);
        await CopyAsync(new TableCopy(Routes[table], description!, Lsn.Parse(now!), true, CopyFormat.Binary, null));
    }

    /// <summary>A later incarnation, or (same epoch) a new session of the same one.</summary>
    public async Task<IDestinationSession> ReopenAsync(long epoch)
    {
        Opening = Opening with { Epoch = epoch };
        Session = await Destination.OpenAsync(Opening, default);
        Session.Route(Routes);
        return Session;
    }

    /// <summary>Applies what the source did since the last call; no table may stop.</summary>
    public async Task<ApplyResult> SyncAsync(int changesPerBatch = int.MaxValue)
    {
        using var group = await ReadAsync(changesPerBatch);
        var result = await ApplyAsync(group);
        Assert.True(result.Stops.Count == 0, string.Join('\n', result.Stops));
        // Falling back to source order would hide a mistake of the fast path.
        Assert.DoesNotContain(Events.Texts, t => t.Contains("one by one", StringComparison.Ordinal));
        return result;
    }

    /// <summary>The same where a table is expected to stop.</summary>
    public async Task<ApplyResult> SyncWithStopsAsync(int changesPerBatch = int.MaxValue)
    {
        using var group = await ReadAsync(changesPerBatch);
        return await ApplyAsync(group);
    }

    public async Task<ApplyResult> ApplyAsync(Batches batches)
    {
        var result = await Session.ApplyAsync(new ApplyGroup(batches.List), default);
        Results.Add(result);
        return result;
    }

    /// <summary>Reads the slot's stream since the last call, in batches.</summary>
    /// <param name="consume">False: the next call reads the same again.</param>
    public async Task<Batches> ReadAsync(int changesPerBatch = int.MaxValue, bool consume = true)
    {
        var builder = new ChangeBatchBuilder();
        var decoder = new PgOutputDecoder(builder);
        var batches = new List<ChangeBatch>();
        var function = consume ? "get" : "peek";
        await using var command = new NpgsqlCommand(
            $"SELECT data FROM pg_logical_slot_{function}_binary_changes('{_slot}', NULL, NULL, 'proto_version', '1', 'publication_names', 'everything', 'binary', 'true')",
            _reading ??= await _sourceServer.OpenAsync(Source));
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            decoder.Decode(reader.GetFieldValue<byte[]>(0));
            if (builder.Count >= changesPerBatch)
                batches.Add(builder.Build());
        }

        if (!builder.IsEmpty)
            batches.Add(builder.Build());
        _known = [.. decoder.Relations.Values];
        return new Batches(batches);
    }

    /// <summary>The relations of the last read.</summary>
    public IReadOnlyList<Relation> Relations => _known;

    /// <summary>
    /// Columns that are compared as text by the caller: the binary form of arrays and rows of users' types holds OIDs, which differ.
    /// </summary>
    public HashSet<string> TextColumns { get; } = [];

    /// <summary>Every table of the source, or the named ones, has the same rows at the target.</summary>
    public async Task AssertEqualAsync(params string[] tables)
    {
        var pairs = (await TablePair.AllAsync(_sourceServer.ConnectionString(Source)))
            .Where(p => tables.Length == 0 || tables.Contains(p.SourceTable))
            .Select(p => Routes.TryGetValue(new TableName(p.SourceSchema, p.SourceTable), out var route)
                ? p with { TargetSchema = route.Target.Schema, TargetTable = route.Target.Name }
                : p)
            .ToList();
        if (TextColumns.Count > 0)
            pairs = [.. await Task.WhenAll(pairs.Select(WithoutTextColumnsAsync))];
        var result = await DatabaseComparison.CompareAsync(_sourceServer.ConnectionString(Source), _server.ConnectionString(Target), pairs);
        Assert.True(result.Equal, result.ToString());
    }

    async Task<TablePair> WithoutTextColumnsAsync(TablePair pair)
    {
        var table = new TableName(pair.SourceSchema, pair.SourceTable);
        var found = await Catalog.DescribeAsync(table, default);
        // Generated columns are in neither the stream nor the comparison.
        var names = found!.Columns.Where(c => c.Generated is null).Select(c => c.Name).ToList();
        if (!names.Exists(TextColumns.Contains))
            return pair;
        var text = $"SELECT string_agg(concat_ws('|', {string.Join(", ", names.Where(TextColumns.Contains).Select(c => $"coalesce({SqlIdentifier.Quote(c)}::text, 'null')"))}), ';' ORDER BY t::text) FROM ";
        Assert.Equal(
            await _sourceServer.ScalarAsync<string>($"{text}{table.ToSql()} AS t", Source),
            await _server.ScalarAsync<string>($"{text}{new TableName(pair.TargetSchema, pair.TargetTable).ToSql()} AS t", Target));
        return pair with { Columns = [.. names.Where(n => !TextColumns.Contains(n)).Select(n => new ColumnPair(n, n))] };
    }

    public async ValueTask DisposeAsync()
    {
        if (Session is not null)
            await Session.DisposeAsync();
        await _sourceDatabase.DisposeAsync();
        if (_reading is not null)
            await _reading.DisposeAsync();
        await _sourceServer.ExecuteAsync($"SELECT pg_drop_replication_slot('{_slot}')", Source);
    }
}

/// <summary>Batches of a read, released together.</summary>
public sealed class Batches(IReadOnlyList<ChangeBatch> list) : IDisposable
{
    public IReadOnlyList<ChangeBatch> List { get; } = list;

    public void Dispose()
    {
        foreach (var batch in List)
            batch.Release();
    }
}
