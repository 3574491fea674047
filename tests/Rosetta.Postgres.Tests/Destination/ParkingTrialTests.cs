using System.Globalization;
using System.Text;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>
/// Random changes of tables that the destination refuses some rows of, in groups of any size: whichever way the refused ones are found, what is parked is what is parked where changes are
/// applied one at a time, and the destination's rows are those.
/// </summary>
[Collection(DestinationServerCollection.Name)]
public sealed class ParkingTrialTests(DestinationServer server, ITestOutputHelper output)
{
    const string Tables =
        """
        CREATE TABLE checked (id int PRIMARY KEY, v int); CREATE TABLE uniq (id int PRIMARY KEY, v int); CREATE TABLE late (id int PRIMARY KEY, v int); CREATE TABLE child (id int PRIMARY KEY, v int);
        CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 50); INSERT INTO uniq SELECT -i, -i FROM generate_series(1, 5) i; INSERT INTO late SELECT * FROM uniq;
        """;

    const string Harm =
        """
        ALTER TABLE checked ADD CHECK (v < 100), ALTER v SET NOT NULL; ALTER TABLE uniq ADD CONSTRAINT one UNIQUE (v); ALTER TABLE late ADD CONSTRAINT later UNIQUE (v) DEFERRABLE INITIALLY DEFERRED;
        ALTER TABLE child ADD CONSTRAINT known FOREIGN KEY (v) REFERENCES parent
        """;

    const string Mend = "ALTER TABLE checked DROP CONSTRAINT checked_v_check, ALTER v DROP NOT NULL; ALTER TABLE uniq DROP CONSTRAINT one; ALTER TABLE late DROP CONSTRAINT later; ALTER TABLE child DROP CONSTRAINT known";

    static readonly double[] Densities = [0, 0.002, 0.02, 0.3, 1];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Should_park_what_is_refused_where_changes_are_applied_one_at_a_time(bool withoutReplicaRole)
    {
        var seed = Environment.GetEnvironmentVariable("ROSETTA_TEST_SEED") is { } given ? int.Parse(given, CultureInfo.InvariantCulture) : Random.Shared.Next();
        output.WriteLine($"seed {seed} (ROSETTA_TEST_SEED={seed} repeats it)");
        var random = new Random(seed);
        var models = Models(random, withoutReplicaRole);
        if (withoutReplicaRole)
            await server.Server.ExecuteAsync("DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
        await using var replica = await server.ReplicaAsync(Tables + SeedSql(models), withoutReplicaRole ? "plain" : "postgres");
        if (withoutReplicaRole)
            await replica.TargetAsync("DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO plain', current_database()); END $$; GRANT CREATE ON SCHEMA public TO plain");
        var letters = new Letters { Limits = new ParkingLimits(1_000_000, 1_000_000, TimeSpan.FromMinutes(10), 1, 1_000_000) };
        replica.Park(letters);
        await replica.StartAsync();
        await replica.TargetAsync(Harm);

        var expected = new List<string>();
        for (var round = 0; round < 8; round++)
        {
            var density = Densities[random.Next(Densities.Length)];
            // The ways differ by what is in a group: all tables, some, or the one of which keys do not depend on one another.
            var some = random.Next(3) == 0 ? models : models.Take(1 + random.Next(2)).ToList();
            var changes = new[] { 5, 60, 400, 1_500 }[random.Next(4)];
            await replica.SourceAsync(Changes(random, some, changes, density, expected));
            output.WriteLine($"round {round}: {changes} changes of {some.Count} tables, {density} refused; {expected.Count} parked so far");
            await ApplyAsync(replica, random, isWhole: some.Exists(m => m.Table == "late"));
            models.ForEach(m => m.EndGroup());
            Assert.Equal(expected, letters.All.OrderBy(l => l.At).Select(l => $"{l.Table.Name} {l.Kind} {l.Key[0]}{(l.Failure is null ? "" : " !")}"));
            Assert.Equal(expected.Count, await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.parked"));
            foreach (var model in models)
                Assert.Equal(Text(model.Rows), await replica.TargetScalarAsync<string>($"SELECT string_agg(id || '=' || coalesce(v::text, 'NULL'), ' ' ORDER BY id) FROM {model.Table} WHERE id > 0"));
        }

        await replica.TargetAsync(Mend);
        foreach (var model in models)
            Assert.Empty(await letters.RecoverAsync(replica, new TableName("public", model.Table)));
        await replica.AssertEqualAsync();
        Assert.Equal(0, await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.parked"));
    }

    static List<ParkingModel> Models(Random random, bool refusesOrphans)
    {
        var fresh = 1_000;
        string Taken() => (-1 - random.Next(5)).ToString(CultureInfo.InvariantCulture);
        List<ParkingModel> models =
        [
            new("checked", random, () => random.Next(100), () => random.Next(2) == 0 ? "NULL" : "100"),
            new("uniq", random, () => ++fresh, Taken),
            new("late", random, () => ++fresh, Taken),
            // Nobody looks after foreign keys under the replica role.
            new("child", random, () => 1 + random.Next(50), () => refusesOrphans ? "1000" : "1"),
        ];
        if (!refusesOrphans)
            models.RemoveAt(3);
        foreach (var model in models)
        {
            for (var id = 1; id <= 200; id++)
                model.Seed(id, model.Table == "checked" || model.Table == "child" ? 1 + (id % 50) : id);
        }

        return models;
    }

    static string SeedSql(List<ParkingModel> models) =>
        string.Concat(models.Select(m => $"; INSERT INTO {m.Table} VALUES {string.Join(", ", m.Rows.Select(r => $"({r.Key.ToString(CultureInfo.InvariantCulture)}, {r.Value})"))}"));

    static string Changes(Random random, List<ParkingModel> models, int changes, double density, List<string> expected)
    {
        var sql = new StringBuilder("BEGIN; ");
        for (var i = 0; i < changes; i++)
        {
            var (statement, parked) = models[random.Next(models.Count)].Next(density);
            sql.Append(statement).Append(random.Next(20) == 0 ? "; COMMIT; BEGIN; " : "; ");
            if (parked is not null)
                expected.Add(parked);
        }

        return sql.Append("COMMIT").ToString();
    }

    /// <param name="isWhole">No transaction is cut: of one that comes in pieces a deferred constraint is looked at when the first ones are through.</param>
    static async Task ApplyAsync(Replica replica, Random random, bool isWhole)
    {
        using var batches = await replica.ReadAsync(random.Next(2) == 0 ? int.MaxValue : random.Next(1, 300));
        for (var next = 0; next < batches.List.Count;)
        {
            var count = isWhole ? batches.List.Count : Math.Min(random.Next(1, 12), batches.List.Count - next);
            var result = await replica.Session.ApplyAsync(new ApplyGroup([.. batches.List.Skip(next).Take(count)]), default);
            Assert.True(result.Stops.Count == 0, string.Join('\n', result.Stops));
            next += count;
        }
    }

    // The rows that stand in the way of others are nobody's.
    static string? Text(Dictionary<int, string> rows) =>
        rows.Count == 0 ? null : string.Join(' ', rows.OrderBy(r => r.Key).Select(r => $"{r.Key.ToString(CultureInfo.InvariantCulture)}={r.Value}"));
}
