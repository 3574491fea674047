using System.Globalization;
using System.Text;
using Rosetta.Core.Destinations;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>Random transactions over tables of every kind, in random batches and groups, with the fast path and in source order.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class RandomWorkloadTests(DestinationServer server, ITestOutputHelper output)
{
    const string Tables =
        """
        CREATE TABLE plain (id int PRIMARY KEY, v text, n int);
        CREATE TABLE wide (a int, b text, big text, big2 text, n int, PRIMARY KEY (b, a));
        CREATE TABLE whole (id int PRIMARY KEY, big text, n int);
        CREATE TABLE uniq (id int PRIMARY KEY, u int UNIQUE DEFERRABLE INITIALLY DEFERRED, big text);
        CREATE TABLE keyless (x int, y text);
        ALTER TABLE whole REPLICA IDENTITY FULL; ALTER TABLE keyless REPLICA IDENTITY FULL;
        ALTER TABLE wide ALTER big SET STORAGE EXTERNAL, ALTER big2 SET STORAGE EXTERNAL;
        ALTER TABLE whole ALTER big SET STORAGE EXTERNAL; ALTER TABLE uniq ALTER big SET STORAGE EXTERNAL;
        """;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Should_be_equal_after_every_group(bool withoutReplicaRole)
    {
        var seed = Environment.GetEnvironmentVariable("ROSETTA_TEST_SEED") is { } given ? int.Parse(given, CultureInfo.InvariantCulture) : Random.Shared.Next();
        output.WriteLine($"seed {seed} (ROSETTA_TEST_SEED={seed} repeats it)");
        var random = new Random(seed);
        if (withoutReplicaRole)
            await server.Server.ExecuteAsync("DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
        await using var replica = await server.ReplicaAsync(Tables, withoutReplicaRole ? "plain" : "postgres");
        if (withoutReplicaRole)
            await replica.TargetAsync("DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO plain', current_database()); END $$; GRANT CREATE ON SCHEMA public TO plain");
        await replica.StartAsync();
        await replica.TargetAsync("ALTER TABLE uniq ADD UNIQUE (u) DEFERRABLE INITIALLY DEFERRED");
        for (var round = 0; round < 8; round++)
        {
            var transactions = random.Next(1, 6);
            for (var i = 0; i < transactions; i++)
                await replica.SourceAsync(Transaction(random));
            await ApplyInGroupsAsync(replica, random);
            await replica.AssertEqualAsync();
        }
    }

    static async Task ApplyInGroupsAsync(Replica replica, Random random)
    {
        using var batches = await replica.ReadAsync(random.Next(1, 60));
        for (var next = 0; next < batches.List.Count;)
        {
            var count = Math.Min(random.Next(1, 12), batches.List.Count - next);
            var result = await replica.Session.ApplyAsync(new ApplyGroup([.. batches.List.Skip(next).Take(count)]), default);
            Assert.True(result.Stops.Count == 0, string.Join('\n', result.Stops));
            Assert.All(result.Rows.Values, r => Assert.Equal(0, r.Divergences));
            next += count;
        }
    }

    static string Transaction(Random random)
    {
        var sql = new StringBuilder("BEGIN; ");
        var statements = random.Next(1, 12);
        for (var i = 0; i < statements; i++)
            sql.Append(Statement(random)).Append("; ");
        return sql.Append("COMMIT").ToString();
    }

    static string Statement(Random random)
    {
        int N(int max) => random.Next(max);
        string Big() => N(3) switch { 0 => "NULL", 1 => $"'small {N(9)}'", _ => $"repeat('{(char)('a' + N(20))}', {2500 + N(3000)})" };
        var from = N(60);
        var range = $"BETWEEN {from} AND {from + N(80)}";
        return N(19) switch
        {
            0 => $"INSERT INTO plain SELECT i, 'v' || i, {N(9)} FROM generate_series({from}, {from + N(100)}) i ON CONFLICT DO NOTHING",
            1 => $"UPDATE plain SET n = n + 1, v = v || 'x' WHERE id {range}",
            2 => $"DELETE FROM plain WHERE id {range}",
            3 => $"UPDATE plain SET id = id + 1000 WHERE id {range} AND NOT EXISTS (SELECT FROM plain p WHERE p.id = plain.id + 1000)",
            4 => $"UPDATE plain SET id = id - 1000 WHERE id > 1000 AND NOT EXISTS (SELECT FROM plain p WHERE p.id = plain.id - 1000)",
            5 => $"INSERT INTO wide SELECT i, 'k' || i % 5, {Big()}, {Big()}, 0 FROM generate_series({from}, {from + N(30)}) i ON CONFLICT DO NOTHING",
            6 => $"UPDATE wide SET n = n + 1 WHERE a {range}",
            7 => $"UPDATE wide SET big = {Big()} WHERE a {range}",
            8 => $"UPDATE wide SET big2 = {Big()}, n = {N(9)} WHERE a {range}",
            9 => $"UPDATE wide SET b = b || 'z' WHERE a {range} AND NOT EXISTS (SELECT FROM wide w WHERE w.a = wide.a AND w.b = wide.b || 'z')",
            10 => $"DELETE FROM wide WHERE a {range}",
            11 => $"INSERT INTO whole SELECT i, {Big()}, 0 FROM generate_series({from}, {from + N(30)}) i ON CONFLICT DO NOTHING",
            12 => $"UPDATE whole SET n = n + 1 WHERE id {range}; UPDATE whole SET id = -id WHERE id {range} AND NOT EXISTS (SELECT FROM whole w WHERE w.id = -whole.id)",
            13 => $"DELETE FROM whole WHERE id {range} OR id < -50",
            14 => $"INSERT INTO uniq SELECT i, i, {Big()} FROM generate_series({from}, {from + N(30)}) i WHERE NOT EXISTS (SELECT FROM uniq WHERE u = i OR id = i)",
            15 => $"UPDATE uniq SET u = {from} * 2 + 4 - u WHERE u BETWEEN {from} AND {from + 4} AND (SELECT count(*) FROM uniq WHERE u BETWEEN {from} AND {from + 4}) = 5",
            16 => $"DELETE FROM uniq WHERE id {range}",
            17 => $"INSERT INTO keyless SELECT i % 3, 'y' FROM generate_series(1, {N(10)}) i; DELETE FROM keyless WHERE ctid = (SELECT min(ctid) FROM keyless); UPDATE keyless SET y = y || '!' WHERE ctid = (SELECT max(ctid) FROM keyless)",
            _ => N(6) == 0 ? "TRUNCATE plain, whole" : "UPDATE plain SET n = -n",
        };
    }
}
