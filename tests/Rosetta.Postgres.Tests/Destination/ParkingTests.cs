using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>Changes that cannot be applied are parked, and those that come after them with the same key; everything else goes on.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class ParkingTests(DestinationServer server)
{
    const string Tables =
        "CREATE TABLE good (id int PRIMARY KEY, v int); CREATE TABLE bad (id int, part text, v int, PRIMARY KEY (id, part)); INSERT INTO bad SELECT i, 'p', i FROM generate_series(1, 1000) i";
    const string Harm = "ALTER TABLE bad ADD CONSTRAINT small CHECK (v < 100000)";
    static readonly TableName Bad = new("public", "bad");

    readonly Letters _letters = new();

    async Task<Replica> StartAsync(string sql = Tables, string harm = Harm)
    {
        var replica = await server.ReplicaAsync(sql);
        replica.Park(_letters);
        await replica.StartAsync();
        await replica.TargetAsync(harm);
        return replica;
    }

    [Fact]
    public async Task Should_park_exactly_the_changes_that_fail_and_apply_the_rest_of_their_transactions()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("BEGIN; INSERT INTO good SELECT i, i FROM generate_series(1, 500) i; UPDATE bad SET v = v + CASE WHEN id % 100 = 7 THEN 100000 ELSE 1000 END; INSERT INTO bad VALUES (2000, 'new', 5), (2001, 'new', 500000); COMMIT");
        var result = await replica.SyncWithStopsAsync();
        Assert.Empty(result.Stops);
        Assert.Equal(11, result.Parked);
        Assert.Equal([.. Enumerable.Range(0, 10).Select(i => $"{(i * 100) + 7}, p"), "2001, new"], _letters.All.OrderBy(l => int.Parse(l.Key[0])).Select(l => string.Join(", ", l.Key)));
        Assert.All(_letters.All, l => Assert.Equal((Bad, ErrorClass.Data, "23514"), (l.Table, l.Failure!.Class, l.Failure.SqlState)));
        Assert.Equal(new Dictionary<TableName, bool> { [Bad] = false }, replica.Parked);
        await replica.AssertEqualAsync("good");
        Assert.Equal(990, await replica.TargetScalarAsync<long>("SELECT count(*) FROM bad WHERE v BETWEEN 1001 AND 2000"));
        Assert.Equal(10, await replica.TargetScalarAsync<long>("SELECT count(*) FROM bad WHERE id % 100 = 7 AND v = id"));
        Assert.Equal((1001, 11), (await replica.TargetScalarAsync<long>("SELECT count(*) FROM bad"), await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.parked WHERE failed")));
    }

    [Fact]
    public async Task Should_hold_later_changes_of_a_parked_key_back_also_after_another_incarnation_took_over()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE bad SET v = 100000 WHERE id IN (1, 2)");
        await replica.SyncWithStopsAsync();
        // Behind a parked key, by it to another key, behind that one, and one that has nothing to do with it.
        await replica.SourceAsync("UPDATE bad SET v = 1 WHERE id = 1; UPDATE bad SET id = 3001, v = 2 WHERE id = 2; DELETE FROM bad WHERE id = 3; UPDATE bad SET part = 'q' WHERE id = 4");
        Assert.Equal(2, (await replica.SyncWithStopsAsync()).Parked);
        await replica.ReopenAsync(2);
        Assert.Equal(new Dictionary<TableName, bool> { [Bad] = false }, replica.Parked);
        await replica.SourceAsync("DELETE FROM bad WHERE id = 3001; INSERT INTO bad VALUES (2, 'p', 7); DELETE FROM bad WHERE id = 1; INSERT INTO bad VALUES (3001, 'p', 8); UPDATE bad SET v = 9 WHERE id = 5");
        Assert.Equal(4, (await replica.SyncWithStopsAsync()).Parked);

        Assert.Equal(
            ["Update 1 !", "Update 2 !", "Update 1", "Update 2", "Delete 3001", "Insert 2", "Delete 1", "Insert 3001"],
            _letters.All.OrderBy(l => l.At).Select(l => $"{l.Kind} {l.Key[0]}{(l.Failure is null ? "" : " !")}"));
        Assert.Equal(2, await replica.TargetScalarAsync<long>("SELECT count(*) FROM bad WHERE id IN (1, 2) AND v = id AND part = 'p'"));
        Assert.Equal(0, await replica.TargetScalarAsync<long>("SELECT count(*) FROM bad WHERE id IN (3, 3001) OR (id = 4 AND part = 'p')"));
        Assert.Equal(9, await replica.TargetScalarAsync<int>("SELECT v FROM bad WHERE id = 5"));
        Assert.Equal("{3001,p}", await replica.TargetScalarAsync<string>("SELECT moved_to::text FROM rosetta.parked WHERE moved_to IS NOT NULL"));
    }

    [Fact]
    public async Task Should_find_many_failing_changes_in_a_large_transaction_that_comes_in_pieces()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("BEGIN; INSERT INTO good SELECT i, i FROM generate_series(1, 500) i; INSERT INTO bad SELECT i, 'x', CASE WHEN i % 100 = 0 THEN 100000 + i ELSE 1 END FROM generate_series(10001, 20000) i; COMMIT");
        var result = await replica.SyncWithStopsAsync(1_000);
        Assert.Empty(result.Stops);
        Assert.Equal(100, _letters.All.Count);
        Assert.Equal(9_900, await replica.TargetScalarAsync<long>("SELECT count(*) FROM bad WHERE part = 'x'"));
        await replica.AssertEqualAsync("good");
    }

    [Fact]
    public async Task Should_park_all_changes_of_a_table_whose_rows_cannot_be_told_apart()
    {
        await using var replica = await StartAsync(
            "CREATE TABLE bad (v int, w text); ALTER TABLE bad REPLICA IDENTITY FULL; CREATE TABLE good (id numeric PRIMARY KEY, v int); INSERT INTO good SELECT i, i FROM generate_series(1, 10) i",
            $"{Harm}; ALTER TABLE good ADD CHECK (v < 100000)");
        await replica.SourceAsync("INSERT INTO bad VALUES (1, 'a'), (100000, 'b'), (2, 'c'); UPDATE good SET v = 100000 WHERE id = 3; UPDATE good SET v = 100 WHERE id = 4");
        Assert.Equal(4, (await replica.SyncWithStopsAsync()).Parked);
        Assert.Equal(2, replica.Parked.Count(p => p.Value));
        await replica.ReopenAsync(2);
        await replica.SourceAsync("DELETE FROM bad WHERE v = 1; UPDATE good SET id = 3.0 WHERE id = 3");
        Assert.Equal(2, (await replica.SyncWithStopsAsync()).Parked);
        Assert.Equal((1, 1), (await replica.TargetScalarAsync<long>("SELECT count(*) FROM bad"), await replica.TargetScalarAsync<long>("SELECT count(*) FROM good WHERE id = 3 AND v = 3")));
    }

    [Fact]
    public async Task Should_forget_what_a_truncate_or_a_copy_makes_pointless()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE bad SET v = 100000 WHERE id = 1");
        await replica.SyncWithStopsAsync();
        await replica.SourceAsync("BEGIN; UPDATE bad SET v = 100000 WHERE id = 2; TRUNCATE bad; INSERT INTO bad VALUES (1, 'p', 1), (2, 'p', 200000); COMMIT; UPDATE bad SET v = 3 WHERE id = 1");
        Assert.Equal(1, (await replica.SyncWithStopsAsync()).Parked);
        Assert.Equal((3, 1), (await replica.TargetScalarAsync<int>("SELECT v FROM bad WHERE id = 1"), await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.parked")));

        await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");
        await replica.ResyncAsync(Bad);
        Assert.Equal(0, await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.parked"));
        await replica.SourceAsync("UPDATE bad SET v = 4");
        Assert.Equal(0, (await replica.SyncWithStopsAsync()).Parked);
        await replica.AssertEqualAsync();
        Assert.Empty(replica.Parked);
    }

    [Fact]
    public async Task Should_stop_a_table_of_which_most_changes_fail()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE bad SET v = v + 100000; INSERT INTO good VALUES (1, 1)");
        var stop = Assert.Single((await replica.SyncWithStopsAsync()).Stops);
        Assert.Equal((Bad, "23514"), (stop.Key, stop.Value.SqlState));
        Assert.Contains("no matter of single rows", stop.Value.Reason, StringComparison.Ordinal);
        Assert.Empty(_letters.All);
        Assert.Equal(0, await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.parked"));
        await replica.AssertEqualAsync("good");
    }

    [Theory]
    [InlineData(FailpointNames.ParkRecorded)]
    [InlineData(FailpointNames.ParkStored)]
    [InlineData(FailpointNames.ApplyBeforeCommit)]
    [InlineData(FailpointNames.ApplyAfterCommit)]
    public async Task Should_neither_lose_nor_double_a_change_wherever_it_is_cut(string failpoint)
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("INSERT INTO good VALUES (1, 1); UPDATE bad SET v = v + 99000 WHERE id > 998; UPDATE bad SET v = 100001 WHERE id = 1; UPDATE bad SET v = 100002 WHERE id = 1; UPDATE bad SET v = 5 WHERE id = 2");
        using var group = await replica.ReadAsync();
        using (Failpoint.Arm(failpoint, () => throw new FailpointException(failpoint), times: 1))
            await Assert.ThrowsAsync<FailpointException>(() => replica.ApplyAsync(group));
        await replica.ReopenAsync(2);
        await replica.ApplyAsync(group);
        Assert.Equal(3, _letters.All.Count);
        Assert.Equal(_letters.All.Select(l => (decimal)l.At.Commit.Value).Order(), (await replica.TargetScalarAsync<decimal[]>("SELECT array_agg(commit_lsn - '0/0' ORDER BY commit_lsn) FROM rosetta.parked"))!);
        Assert.Equal((1, 5), (await replica.TargetScalarAsync<int>("SELECT v FROM bad WHERE id = 1"), await replica.TargetScalarAsync<int>("SELECT v FROM bad WHERE id = 2")));
        await replica.AssertEqualAsync("good");
    }

    [Fact]
    public async Task Should_skip_nothing_when_the_payload_is_not_kept()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE bad SET v = 100001 WHERE id = 1; UPDATE bad SET v = 5 WHERE id = 2");
        using var group = await replica.ReadAsync();
        _letters.Refuse = true;
        await Assert.ThrowsAsync<DeadLetterStoreException>(() => replica.ApplyAsync(group));
        await replica.Session.RollbackAsync(default);
        Assert.Equal((0, 2), (await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.parked"), await replica.TargetScalarAsync<int>("SELECT v FROM bad WHERE id = 2")));
        _letters.Refuse = false;
        Assert.Equal(1, (await replica.ApplyAsync(group)).Parked);
        Assert.Equal(5, await replica.TargetScalarAsync<int>("SELECT v FROM bad WHERE id = 2"));
    }

    [Fact]
    public async Task Should_tell_of_a_payload_all_that_is_needed_to_apply_it()
    {
        await using var replica = await StartAsync("CREATE TABLE bad (id int PRIMARY KEY, v int, big text, none text); ALTER TABLE bad ALTER big SET STORAGE EXTERNAL; INSERT INTO bad VALUES (1, 1, repeat('x', 5000))");
        await replica.SourceAsync("UPDATE bad SET v = 100000");
        await replica.SyncWithStopsAsync();
        var change = ParkedChange.Decode(Assert.Single(_letters.All).Payload);
        Assert.Equal((ChangeKind.Update, "bad", 4, true), (change.Kind, change.Relation.Name, change.Relation.Columns.Count, change.Old.IsEmpty));
        var kinds = new List<ValueKind>();
        var reader = new TupleReader(change.New.Span, 0);
        while (reader.Read())
            kinds.Add(reader.Kind);
        Assert.Equal([ValueKind.Binary, ValueKind.Binary, ValueKind.Unchanged, ValueKind.Null], kinds);
    }

    /// <summary>Applies all that is parked of a table, group by group; the failures.</summary>
    async Task<List<RecoveryOutcome>> RecoverAsync(Replica replica, TableName table, bool isTrial = false)
    {
        var failures = new List<RecoveryOutcome>();
        foreach (var group in await replica.Session.ListParkedAsync(table, 1_000, default))
        {
            var letters = _letters.All.Where(l => l.Table == table && group.At.Contains(l.At)).OrderBy(l => l.At).ToList();
            Assert.Equal(group.At.Count, letters.Count);
            if (await replica.Session.RecoverAsync(table, letters, isTrial, default) is { IsRecovered: false } failed)
                failures.Add(failed);
        }

        return failures;
    }

    [Fact]
    public async Task Should_bring_parked_changes_back_in_order_when_they_can_be_applied()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE bad SET v = 100000 WHERE id <= 20; INSERT INTO bad VALUES (5000, 'p', 100000), (5001, 'p', 100001)");
        await replica.SyncWithStopsAsync();
        await replica.SourceAsync("UPDATE bad SET id = 3001 WHERE id = 1; UPDATE bad SET v = 100001 WHERE id = 2; DELETE FROM bad WHERE id = 3; UPDATE bad SET v = 4 WHERE id = 4; DELETE FROM bad WHERE id = 5000; INSERT INTO bad VALUES (3, 'p', 200000)");
        await replica.SyncWithStopsAsync();
        await replica.SourceAsync("ALTER TABLE bad ADD w int DEFAULT 7; UPDATE bad SET w = 8 WHERE id IN (5, 3001, 500); UPDATE bad SET id = 3002 WHERE id = 3001");
        await replica.SyncWithStopsAsync();
        Assert.NotEmpty(await RecoverAsync(replica, Bad));

        await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");
        Assert.Empty(await RecoverAsync(replica, Bad));
        Assert.Empty(replica.Session.Parked);
        Assert.Equal(0, await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.parked"));
        await replica.AssertEqualAsync();
        await replica.SourceAsync("UPDATE bad SET v = id WHERE id < 30 OR id > 3000; DELETE FROM bad WHERE id = 2");
        Assert.Equal(0, (await replica.SyncWithStopsAsync()).Parked);
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_try_without_a_trace_and_say_which_change_fails()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE bad SET v = 100000 WHERE id = 1");
        await replica.SyncWithStopsAsync();
        await replica.SourceAsync("UPDATE bad SET v = 1 WHERE id = 1");
        await replica.SyncWithStopsAsync();
        var failure = Assert.Single(await RecoverAsync(replica, Bad, isTrial: true));
        Assert.Equal((_letters.All[0].At, "23514"), (failure.FailedAt!.Value, failure.Failure!.SqlState));
        await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");
        Assert.Empty(await RecoverAsync(replica, Bad, isTrial: true));
        Assert.Equal((2, false), (await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.parked"), replica.Session.Parked[Bad]));
        // Nothing of the trial is in the way.
        await replica.SourceAsync("UPDATE bad SET v = 2 WHERE id = 1; UPDATE bad SET v = 3 WHERE id = 2");
        Assert.Equal(1, (await replica.SyncWithStopsAsync()).Parked);
        Assert.Empty(await RecoverAsync(replica, Bad));
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_recover_a_table_that_is_parked_whole()
    {
        await using var replica = await StartAsync("CREATE TABLE bad (v int, w text); ALTER TABLE bad REPLICA IDENTITY FULL; INSERT INTO bad VALUES (1, 'a'), (1, 'a')");
        await replica.SourceAsync("INSERT INTO bad VALUES (100000, 'b'), (2, 'c')");
        await replica.SyncWithStopsAsync();
        await replica.SourceAsync("UPDATE bad SET w = 'd' WHERE v = 1; DELETE FROM bad WHERE v = 2; INSERT INTO bad VALUES (3, NULL)");
        await replica.SyncWithStopsAsync();
        Assert.Equal("23514", Assert.Single(await RecoverAsync(replica, Bad)).Failure!.SqlState);
        await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");
        Assert.Empty(await RecoverAsync(replica, Bad));
        await replica.AssertEqualAsync();
        Assert.Empty(replica.Session.Parked);
    }

    [Theory]
    [InlineData(FailpointNames.RecoverApplied)]
    [InlineData(FailpointNames.RecoverCommitted)]
    public async Task Should_recover_once_wherever_it_is_cut(string failpoint)
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("INSERT INTO bad VALUES (5000, 'p', 100000); UPDATE bad SET v = 100000 WHERE id = 1");
        await replica.SyncWithStopsAsync();
        await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");
        using (Failpoint.Arm(failpoint, () => throw new FailpointException(failpoint), times: 1))
            await Assert.ThrowsAsync<FailpointException>(() => RecoverAsync(replica, Bad));
        await replica.ReopenAsync(2);
        Assert.Empty(await RecoverAsync(replica, Bad));
        // Once more by somebody who does not know: what is not parked any more is told, and not applied.
        await replica.SourceAsync("UPDATE bad SET v = 7 WHERE id IN (1, 5000)");
        await replica.SyncWithStopsAsync();
        var again = await replica.Session.RecoverAsync(Bad, [.. _letters.All.OrderBy(l => l.At)], false, default);
        Assert.Equal((true, 2), (again.IsRecovered, again.Gone.Count));
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_discard_what_is_named_and_let_later_changes_pass()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE bad SET v = 100000 WHERE id = 1");
        await replica.SyncWithStopsAsync();
        Assert.Equal(1, await replica.Session.DiscardAsync(Bad, [_letters.All[0].At], default));
        Assert.Equal(0, await replica.Session.DiscardAsync(Bad, [_letters.All[0].At], default));
        await replica.SourceAsync("UPDATE bad SET v = 5 WHERE id = 1");
        Assert.Equal(0, (await replica.SyncWithStopsAsync()).Parked);
        await replica.AssertEqualAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task Should_be_equal_after_recovery_of_a_random_workload(int seed)
    {
        var random = new Random(seed);
        await using var replica = await StartAsync("CREATE TABLE bad (id int PRIMARY KEY, v int, big text); ALTER TABLE bad ALTER big SET STORAGE EXTERNAL; INSERT INTO bad SELECT i, i, repeat('x', 3000) FROM generate_series(1, 60) i", "SELECT 1");
        var epoch = 1;
        for (var round = 0; round < 25; round++)
        {
            if (round % 5 == 0)
                await replica.TargetAsync("ALTER TABLE bad ADD CONSTRAINT small CHECK (v % 10 <> 3) NOT VALID");
            var statements = Enumerable.Range(0, random.Next(1, 40)).Select(_ => Statement());
            await replica.SourceAsync(string.Join("; ", statements));
            var result = await replica.SyncWithStopsAsync(random.Next(3) == 0 ? 5 : int.MaxValue);
            Assert.True(result.Stops.Count == 0, string.Join(Environment.NewLine, result.Stops));
            if (random.Next(4) == 0)
                await replica.ReopenAsync(++epoch);
            if (random.Next(5) == 0)
                await RecoverAsync(replica, Bad);
            // What has no parked key is as it is at the source.
            if (round % 5 != 4)
                continue;
            await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");
            Assert.Empty(await RecoverAsync(replica, Bad));
            await replica.AssertEqualAsync();
        }

        Assert.NotEmpty(_letters.All);

        string Statement() => random.Next(10) switch
        {
            0 => $"INSERT INTO bad VALUES ({random.Next(100)}, {random.Next(1000)}, 'n') ON CONFLICT (id) DO NOTHING",
            1 => $"DELETE FROM bad WHERE id = {random.Next(100)}",
            2 => $"UPDATE bad SET id = {random.Next(100, 200)} WHERE id = {random.Next(100)} AND NOT EXISTS (SELECT FROM bad WHERE id >= 100)",
            3 => $"UPDATE bad SET id = id - 100 WHERE id >= 100 AND NOT EXISTS (SELECT FROM bad b WHERE b.id = bad.id - 100)",
            4 => $"UPDATE bad SET big = repeat('{(char)('a' + random.Next(26))}', 3000) WHERE id = {random.Next(100)}",
            _ => $"UPDATE bad SET v = {random.Next(1000)} WHERE id = {random.Next(100)}",
        };
    }

    /// <summary>Keeps what is parked as a store would: a position once.</summary>
    sealed class Letters : IParking
    {
        readonly Dictionary<(TableName, Core.Positions.Position), DeadLetter> _kept = [];

        public ParkingLimits Limits => ParkingLimits.Default;

        public bool Refuse { get; set; }

        public IReadOnlyList<DeadLetter> All => [.. _kept.Values];

        public ValueTask ParkAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancellationToken)
        {
            if (Refuse)
                throw new DeadLetterStoreException(new Fault(ErrorClass.Transient, "The store is away.", null));
            foreach (var letter in letters)
                _kept.TryAdd((letter.Table, letter.At), letter);
            return ValueTask.CompletedTask;
        }
    }
}
