using Rosetta.Core.DeadLetters;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>Parked changes get other values, as their columns' types read them, and are shown beside the row that is there.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class EditTests(DestinationServer server) : ParkingStage(server)
{
    const string Zoo =
        """
        CREATE TYPE mood AS ENUM ('sad', 'happy');
        CREATE TABLE bad (id int PRIMARY KEY, v int, amount numeric(12,2), at timestamptz, feels mood, tags text[], code varchar(3), big text);
        ALTER TABLE bad ALTER big SET STORAGE EXTERNAL;
        INSERT INTO bad SELECT i, i, 1, '2026-01-01 00:00Z', 'sad', '{}', 'abc', repeat('x', 3000) FROM generate_series(1, 9) i;
        """;

    static Dictionary<string, string?> Values(params (string Column, string? Value)[] values) => values.ToDictionary(v => v.Column, v => v.Value);

    [Fact]
    public async Task Should_apply_a_row_with_other_values_of_any_type()
    {
        await using var replica = await StartAsync(Zoo);
        await replica.SourceAsync("UPDATE bad SET v = 100000 WHERE id = 1");
        await replica.SyncWithStopsAsync();
        var letter = Parked.All.Single();
        var edited = (await replica.Session.EditAsync(
            letter,
            Values(("v", "5"), ("amount", "99.50"), ("at", "2026-02-03 04:05:06.000007+01"), ("feels", "happy"), ("tags", "{a,\"b,c\",NULL}"), ("code", null), ("id", "1")), default)).Letter!;
        Assert.Equal((letter.At, letter.Key), (edited.At, edited.Key));
        Assert.True((await replica.Session.RecoverAsync(Bad, [edited], false, default)).IsRecovered);
        Assert.Equal(
            "5 99.50 2026-02-03 03:05:06.000007 happy {a,\"b,c\",NULL} t 3000",
            await replica.TargetScalarAsync<string>("SELECT concat_ws(' ', v, amount, at AT TIME ZONE 'UTC', feels, tags, code IS NULL, length(big)) FROM bad WHERE id = 1"));
    }

    [Fact]
    public async Task Should_refuse_values_that_a_type_does_not_read_another_key_and_unknown_columns()
    {
        await using var replica = await StartAsync(Zoo);
        await replica.SourceAsync("UPDATE bad SET v = 100000 WHERE id = 1");
        await replica.SyncWithStopsAsync();
        foreach (var (column, value, words) in ((string, string?, string)[])[
            ("v", "many", "integer"), ("v", "99999999999", "range"), ("amount", "x", "numeric"), ("feels", "angry", "mood"), ("at", "yesterday-ish", "timestamp"), ("tags", "{", "array"),
            ("id", "2", "key"), ("id", null, "key"), ("nope", "1", "nope")])
        {
            var refused = await replica.Session.EditAsync(Parked.All.Single(), Values((column, value)), default);
            Assert.Null(refused.Letter);
            Assert.Contains(words, refused.Problem, StringComparison.Ordinal);
        }

        // What the column alone does not take shows when it is tried.
        var tooLong = (await replica.Session.EditAsync(Parked.All.Single(), Values(("v", "5"), ("code", "abcd")), default)).Letter!;
        var outcome = await replica.Session.RecoverAsync(Bad, [tooLong], true, default);
        Assert.Equal(("22001", Parked.All.Single().At), (outcome.Failure!.SqlState, outcome.FailedAt!.Value));
    }

    [Fact]
    public async Task Should_find_the_row_that_a_change_is_about()
    {
        await using var replica = await StartAsync(Zoo);
        await replica.SourceAsync("UPDATE bad SET v = 100000 WHERE id = 1; INSERT INTO bad (id, v) VALUES (77, 100000)");
        await replica.SyncWithStopsAsync();
        var (update, insert) = (Parked.All.OrderBy(l => l.At).First(), Parked.All.OrderBy(l => l.At).Last());
        var row = await replica.Session.FindRowAsync(update, default);
        Assert.Equal(("1", "1.00", "sad", "{}"), (row.Values!["v"], row.Values["amount"], row.Values["feels"], row.Values["tags"]));
        Assert.Equal(new RowThere(null, null), await replica.Session.FindRowAsync(insert, default));
        Assert.NotNull((await replica.Session.FindRowAsync(update with { Key = [] }, default)).Problem);
    }
}
