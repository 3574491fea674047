using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>Deferred constraints are looked at where a transaction of the source ends: of one that comes in pieces, when the first of them have been applied and cannot be searched any more.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class DeferredPieceTests(DestinationServer server) : ParkingStage(server)
{
    const string Three =
        "CREATE TABLE good (id int PRIMARY KEY, v int); CREATE TABLE bad (id int PRIMARY KEY, v int); CREATE TABLE also (id int PRIMARY KEY, v int);"
        + "INSERT INTO bad SELECT i, i FROM generate_series(1, 100) i; INSERT INTO also SELECT i, i FROM generate_series(1, 100) i; INSERT INTO good SELECT i, i FROM generate_series(1, 100) i";

    const string Deferred = "ALTER TABLE bad ADD CONSTRAINT one UNIQUE (v) DEFERRABLE INITIALLY DEFERRED; ALTER TABLE also ADD CONSTRAINT two UNIQUE (v) DEFERRABLE INITIALLY DEFERRED";

    const int PieceChanges = 50;

    static readonly TableName Also = new("public", "also");

    /// <summary>Applies what the source did piece by piece, from the beginning again when that is asked for.</summary>
    static async Task<(ApplyResult Last, int Pieces)> ApplyAsync(Replica replica)
    {
        for (var tries = 0; ; tries++)
        {
            Assert.InRange(tries, 0, 10);
            using var batches = await replica.ReadAsync(PieceChanges, consume: false);
            try
            {
                ApplyResult? last = null;
                foreach (var batch in batches.List)
                    last = await replica.Session.ApplyAsync(new ApplyGroup([batch]), default);
                (await replica.ReadAsync()).Dispose();
                return (last!, batches.List.Count);
            }
            catch (ReplayRequiredException)
            {
                await replica.Session.RollbackAsync(default);
            }
        }
    }

    [Theory]
    [InlineData("UPDATE also SET v = v + 1000; UPDATE good SET v = 0")]
    [InlineData("UPDATE also SET v = v + 1000; UPDATE bad SET v = v + 1000 WHERE id > 10")]
    [InlineData("UPDATE good SET v = 0")]
    public async Task Should_stop_the_table_whose_constraint_an_earlier_piece_has_broken_and_no_other(string later)
    {
        await using var replica = await StartAsync(Three, Deferred);
        await replica.SourceAsync($"BEGIN; UPDATE bad SET v = 7 WHERE id = 8; {later}; COMMIT");
        var (result, pieces) = await ApplyAsync(replica);
        Assert.InRange(pieces, 2, 10);
        var (table, stop) = Assert.Single(result.Stops);
        Assert.Equal((Bad, "23505"), (table, stop.SqlState));
        Assert.Contains("one", stop.Reason, StringComparison.Ordinal);
        Assert.Empty(Parked.All);
        // The rest of the transaction is there, nothing of the table is.
        await replica.AssertEqualAsync("good", "also");
        Assert.Equal(0, await replica.TargetScalarAsync<long>("SELECT count(*) FROM bad WHERE v <> id"));
        await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT one");
        await replica.ResyncAsync(Bad);
        await replica.SourceAsync("UPDATE bad SET v = v + 1");
        Assert.Empty((await replica.SyncWithStopsAsync()).Stops);
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_refuse_nothing_that_a_later_piece_makes_right()
    {
        await using var replica = await StartAsync(Three, Deferred);
        await replica.SourceAsync("BEGIN; UPDATE bad SET v = 7 WHERE id = 8; UPDATE also SET v = v + 1000; UPDATE good SET v = 0; UPDATE bad SET v = 8 WHERE id = 7; COMMIT");
        var (result, pieces) = await ApplyAsync(replica);
        Assert.InRange(pieces, 2, 10);
        Assert.Empty(result.Stops);
        Assert.Empty(Parked.All);
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_park_what_the_last_piece_breaks()
    {
        await using var replica = await StartAsync(Three, Deferred);
        await replica.SourceAsync("BEGIN; UPDATE bad SET v = v + 1000; UPDATE good SET v = 0; UPDATE also SET v = 7 WHERE id = 8; COMMIT");
        var (result, pieces) = await ApplyAsync(replica);
        Assert.InRange(pieces, 2, 10);
        Assert.Empty(result.Stops);
        var letter = Assert.Single(Parked.All);
        Assert.Equal((Also, "8", "23505"), (letter.Table, letter.Key[0], letter.Failure!.SqlState));
        await replica.AssertEqualAsync("good", "bad");
        await replica.TargetAsync("ALTER TABLE also DROP CONSTRAINT two");
        Assert.Empty(await Parked.RecoverAsync(replica, Also));
        await replica.AssertEqualAsync();
    }
}
