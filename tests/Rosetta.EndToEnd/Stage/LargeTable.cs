using System.Globalization;
using Npgsql;
using Rosetta.Testing.Equality;
using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.EndToEnd.Stage;

/// <summary>A table of many rows at the source, with traffic over all of its range: inserts, updates with and without unchanged TOAST, deletes, new keys.</summary>
sealed class LargeTable : IAsyncDisposable
{
    readonly CancellationTokenSource _enough = new();
    readonly PostgresServer _server;
    readonly int _seed;
    readonly int _bigTimes;
    readonly Random _random;
    Task _traffic = Task.CompletedTask;

    LargeTable(PostgresServer server, int rows, int seed, bool outOfLine)
    {
        _bigTimes = outOfLine ? 90 : 3;
        _server = server;
        Rows = rows;
        _seed = seed;
        _random = new Random(seed);
    }

    public const string Name = "public.large_table";

    public int Rows { get; }

    /// <summary>Changes made so far.</summary>
    public int Changes { get; private set; }

    /// <param name="log">Told the seed of the traffic.</param>
    /// <param name="outOfLine">It has values that are stored out of line.</param>
    public static async Task<LargeTable> CreateAsync(PostgresServer server, int rows, Action<string> log, bool outOfLine = true)
    {
        var seed = Random.Shared.Next();
        log($"seed {seed}");
        await server.ExecuteAsync(
            $"""
            CREATE TABLE {Name} (id bigint PRIMARY KEY, n int NOT NULL, at timestamptz NOT NULL DEFAULT now(), t text, big text);
            ALTER TABLE {Name} ALTER big SET STORAGE EXTERNAL;
            INSERT INTO {Name} SELECT i, 0, now(), md5(i::text), CASE WHEN {outOfLine} AND i % 50 = 0 THEN repeat(md5(i::text), 80) END FROM generate_series(1, {rows}) i;
            """,
            Installation.Database);
        return new LargeTable(server, rows, seed, outOfLine);
    }

    /// <summary>Small transactions, one after the other, until stopped.</summary>
    public void Start(int perSecond) => _traffic = Task.Run(() => RunAsync(perSecond));

    public async Task StopAsync()
    {
        await _enough.CancelAsync();
        await _traffic;
    }

    /// <summary>A destination has it byte for byte.</summary>
    public async Task AssertEqualAsync(Installation installation, int target = 0)
    {
        var result = await DatabaseComparison.CompareAsync(installation.SourceConnection, installation.TargetConnection(target), [TablePair.Same("public", "large_table")]);
        Assert.True(result.Equal, $"seed {_seed}: {result}");
    }

    async Task RunAsync(int perSecond)
    {
        await using var connection = await _server.OpenAsync(Installation.Database);
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!_enough.IsCancellationRequested && await pace.WaitForNextTickAsync())
        {
            for (var i = 0; i < perSecond / 50; i++)
            {
                await using var command = new NpgsqlCommand(Statement(), connection);
                Changes += await command.ExecuteNonQueryAsync();
            }
        }
    }

    string Statement()
    {
        var id = _random.Next(1, Rows + 1).ToString(CultureInfo.InvariantCulture);
        var big = (_random.Next(1, (Rows / 50) + 1) * 50).ToString(CultureInfo.InvariantCulture);
        return _random.Next(8) switch
        {
            0 => $"DELETE FROM {Name} WHERE id = {id}",
            1 => $"INSERT INTO {Name} VALUES ({id}, -1, now(), 'again', NULL) ON CONFLICT (id) DO UPDATE SET n = {Name}.n + 1000",
            2 => $"UPDATE {Name} SET id = -id WHERE id = {id} AND NOT EXISTS (SELECT FROM {Name} WHERE id = -{id})",
            3 => $"UPDATE {Name} SET id = -id WHERE id = (SELECT min(id) FROM {Name} WHERE id < 0) AND NOT EXISTS (SELECT FROM {Name} o WHERE o.id = -{Name}.id)",
            4 => $"UPDATE {Name} SET big = repeat(md5(random()::text), {_bigTimes}) WHERE id = {big}",
            5 or 6 => $"UPDATE {Name} SET n = n + 1 WHERE id = {big}",
            _ => $"UPDATE {Name} SET n = n + 1, at = now() WHERE id = {id}",
        };
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _enough.Dispose();
    }
}
