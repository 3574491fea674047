using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>Changes that cannot be applied are parked, and those that come after them with the same key; everything else goes on.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class ParkingTests(DestinationServer server) : ParkingStage(server)
{
    [Fact]
    public async Task Should_park_exactly_the_changes_that_fail_and_apply_the_rest_of_their_transactions()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("BEGIN; INSERT INTO good SELECT i, i FROM generate_series(1, 500) i; UPDATE bad SET v = v + CASE WHEN id % 100 = 7 THEN 100000 ELSE 1000 END; INSERT INTO bad VALUES (2000, 'new', 5), (2001, 'new', 500000); COMMIT");
        var result = await replica.SyncWithStopsAsync();
        Assert.Empty(result.Stops);
        Assert.Equal(11, result.Parked);
        Assert.Equal([.. Enumerable.Range(0, 10).Select(i => $"{(i * 100) + 7}, p"), "2001, new"], Parked.All.OrderBy(l => int.Parse(l.Key[0])).Select(l => string.Join(", ", l.Key)));
        Assert.All(Parked.All, l => Assert.Equal((Bad, ErrorClass.Data, "23514"), (l.Table, l.Failure!.Class, l.Failure.SqlState)));
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
            Parked.All.OrderBy(l => l.At).Select(l => $"{l.Kind} {l.Key[0]}{(l.Failure is null ? "" : " !")}"));
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
        Assert.Equal(100, Parked.All.Count);
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
        Assert.Empty(Parked.All);
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
        Assert.Equal(3, Parked.All.Count);
        Assert.Equal(Parked.All.Select(l => (decimal)l.At.Commit.Value).Order(), (await replica.TargetScalarAsync<decimal[]>("SELECT array_agg(commit_lsn - '0/0' ORDER BY commit_lsn) FROM rosetta.parked"))!);
        Assert.Equal((1, 5), (await replica.TargetScalarAsync<int>("SELECT v FROM bad WHERE id = 1"), await replica.TargetScalarAsync<int>("SELECT v FROM bad WHERE id = 2")));
        await replica.AssertEqualAsync("good");
    }

    [Fact]
    public async Task Should_skip_nothing_when_the_payload_is_not_kept()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE bad SET v = 100001 WHERE id = 1; UPDATE bad SET v = 5 WHERE id = 2");
        using var group = await replica.ReadAsync();
        Parked.Refuse = true;
        await Assert.ThrowsAsync<DeadLetterStoreException>(() => replica.ApplyAsync(group));
        await replica.Session.RollbackAsync(default);
        Assert.Equal((0, 2), (await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.parked"), await replica.TargetScalarAsync<int>("SELECT v FROM bad WHERE id = 2")));
        Parked.Refuse = false;
        Assert.Equal(1, (await replica.ApplyAsync(group)).Parked);
        Assert.Equal(5, await replica.TargetScalarAsync<int>("SELECT v FROM bad WHERE id = 2"));
    }

    [Fact]
    public async Task Should_try_again_what_could_not_be_parked()
    {
        await using var replica = await StartAsync();
        await replica.SourceAsync("UPDATE bad SET v = 100001 WHERE id = 1; UPDATE bad SET v = 5 WHERE id = 2");
        using var group = await replica.ReadAsync();
        Parked.Refuse = true;
        await Assert.ThrowsAsync<DeadLetterStoreException>(() => replica.ApplyAsync(group));
        await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");
        await replica.ReopenAsync(2);
        Assert.Equal(0, (await replica.ApplyAsync(group)).Parked);
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_tell_of_a_payload_all_that_is_needed_to_apply_it()
    {
        await using var replica = await StartAsync("CREATE TABLE bad (id int PRIMARY KEY, v int, big text, none text); ALTER TABLE bad ALTER big SET STORAGE EXTERNAL; INSERT INTO bad VALUES (1, 1, repeat('x', 5000))");
        await replica.SourceAsync("UPDATE bad SET v = 100000");
        await replica.SyncWithStopsAsync();
        var change = ParkedChange.Decode(Assert.Single(Parked.All).Payload);
        Assert.Equal((ChangeKind.Update, "bad", 4, true), (change.Kind, change.Relation.Name, change.Relation.Columns.Count, change.Old.IsEmpty));
        var kinds = new List<ValueKind>();
        var reader = new TupleReader(change.New.Span, 0);
        while (reader.Read())
            kinds.Add(reader.Kind);
        Assert.Equal([ValueKind.Binary, ValueKind.Binary, ValueKind.Unchanged, ValueKind.Null], kinds);
    }
}
