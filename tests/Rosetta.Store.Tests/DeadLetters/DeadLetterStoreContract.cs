using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Store.Runtime;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Store.Tests.DeadLetters;

/// <summary>What every store of dead letters does, on its real server.</summary>
public abstract class DeadLetterStoreContract : IAsyncLifetime
{
    protected static readonly TableName Orders = new("public", "orders");
    protected static readonly TableName Odd = new("sales:eu", "a.b\" *größe");
    protected static readonly DateTimeOffset Now = new(2026, 11, 28, 20, 15, 30, 123, TimeSpan.Zero);
    protected static readonly DeadLetterFailure Refused = new(ErrorClass.Data, "violates check constraint \"positive\" | größer", "23514");

    protected static CancellationToken None => CancellationToken.None;

    protected StoreUnderTest Config { get; set; } = null!;

    protected IDeadLetterStore Store { get; set; } = null!;

    protected DeadLetterQueue Queue { get; private set; } = null!;

    protected long Epoch { get; private set; }

    /// <summary>Sets <see cref="Config"/> and <see cref="Store"/>.</summary>
    protected abstract Task OpenStoreAsync();

    /// <summary>SIGKILL of the store's server.</summary>
    protected abstract Task KillServerAsync();

    protected abstract Task StartServerAsync();

    public async Task InitializeAsync()
    {
        await OpenStoreAsync();
        (Queue, Epoch) = await NewQueueAsync("pipeline");
    }

    public virtual async Task DisposeAsync()
    {
        await Store.DisposeAsync();
        await Config.DisposeAsync();
    }

    [Fact]
    public async Task Should_give_back_every_field_of_what_was_appended()
    {
        var letters = new[]
        {
            Letter(10) with { Kind = ChangeKind.Insert, Key = [], Payload = default, Xid = uint.MaxValue, CommitTime = long.MaxValue },
            Letter(11, table: Odd) with { Kind = ChangeKind.Update, Key = ["1", "", "größe \" \\ | \n,]"], Payload = new byte[] { 0, 255, 1, 0 }, CommitTime = -5 },
            Letter(12, 7, (DeadLetterFailure?)null) with { Kind = ChangeKind.Delete, Tries = 3, LastTriedAt = Now.AddMicroseconds(7) },
            Letter(ulong.MaxValue, long.MaxValue, new DeadLetterFailure(ErrorClass.Table, "", null)),
        };

        await Store.AppendAsync(Queue, Epoch, letters, None);

        AssertSame(letters, await Store.ReadAsync(Queue, null, null, 10, None));
    }

    [Fact]
    public async Task Should_keep_an_entry_as_it_is_when_it_is_appended_again()
    {
        await Store.AppendAsync(Queue, Epoch, [Letter(10), Letter(11)], None);
        await Store.RecordTriesAsync(Queue, Epoch, [new DeadLetterTry(Orders, At(10), Refused, Now)], None);
        var before = await Store.ReadAsync(Queue, null, null, 10, None);

        await Store.AppendAsync(Queue, Epoch, [Letter(10) with { Payload = new byte[] { 9 } }, Letter(11), Letter(12), Letter(12) with { Xid = 9 }], None);

        var after = await Store.ReadAsync(Queue, null, null, 10, None);
        AssertSame(before, [.. after.Take(2)]);
        AssertSame([Letter(12)], [.. after.Skip(2)]);
    }

    [Fact]
    public async Task Should_append_an_entry_once_when_it_comes_from_many_sides_at_once()
    {
        var letters = Enumerable.Range(1, 50).Select(i => Letter((ulong)i)).ToArray();

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Store.AppendAsync(Queue, Epoch, letters, None)));

        AssertSame(letters, await Store.ReadAsync(Queue, null, null, 1000, None));
    }

    [Fact]
    public async Task Should_read_in_the_order_of_positions_however_they_came()
    {
        ulong[] commits = [0x1_0000_0000, 5, ulong.MaxValue, 0xFFFF_FFFF, 16, 9, 10];
        foreach (var commit in commits)
            await Store.AppendAsync(Queue, Epoch, [Letter(commit, 10), Letter(commit, 9, Odd), Letter(commit, 2)], None);

        var all = await Store.ReadAsync(Queue, null, null, 100, None);

        Assert.Equal(commits.Order().SelectMany(c => new[] { At(c, 2), At(c, 9), At(c, 10) }), all.Select(l => l.At));
        Assert.Equal(commits.Order().Select(c => At(c, 9)), (await Store.ReadAsync(Queue, Odd, null, 100, None)).Select(l => l.At));
    }

    [Fact]
    public async Task Should_read_behind_a_position_and_not_more_than_asked_for()
    {
        await Store.AppendAsync(Queue, Epoch, [.. Enumerable.Range(1, 9).Select(i => Letter((ulong)i, i, i % 3 == 0 ? Odd : Orders))], None);

        Assert.Equal([4ul, 5, 6], (await Store.ReadAsync(Queue, null, At(3, 3), 3, None)).Select(l => l.At.Commit.Value));
        Assert.Equal([4ul, 5], (await Store.ReadAsync(Queue, null, At(4, 3), 2, None)).Select(l => l.At.Commit.Value));
        Assert.Equal([6ul, 9], (await Store.ReadAsync(Queue, Odd, At(3, 3), 3, None)).Select(l => l.At.Commit.Value));
        Assert.Equal([3ul], (await Store.ReadAsync(Queue, Odd, null, 1, None)).Select(l => l.At.Commit.Value));
        Assert.Empty(await Store.ReadAsync(Queue, null, At(9, 9), 3, None));
        Assert.Empty(await Store.ReadAsync(Queue, new TableName("public", "other"), null, 3, None));
    }

    [Fact]
    public async Task Should_read_certain_entries_of_a_table()
    {
        await Store.AppendAsync(Queue, Epoch, [Letter(1), Letter(2, table: Odd), Letter(3), Letter(4)], None);

        var found = await Store.ReadAsync(Queue, Orders, [At(4), At(2), At(77), At(1), At(1)], None);

        AssertSame([Letter(1), Letter(4)], found);
        Assert.Empty(await Store.ReadAsync(Queue, Orders, [], None));
    }

    [Fact]
    public async Task Should_note_tries_once_and_what_the_last_one_met()
    {
        await Store.AppendAsync(Queue, Epoch, [Letter(1), Letter(2, (DeadLetterFailure?)null), Letter(3)], None);
        var later = new DeadLetterFailure(ErrorClass.Table, "column \"x\" | does not exist", "42703");
        var none = new DeadLetterFailure(ErrorClass.Operator, "no answer", null);
        DeadLetterTry[] tries =
        [
            new(Orders, At(1), Refused, Now), new(Orders, At(1), later, Now.AddSeconds(1)), new(Orders, At(2), none, Now), new(Orders, At(9), Refused, Now),
            new(Odd, At(3), Refused, Now),
        ];

        await Store.RecordTriesAsync(Queue, Epoch, tries, None);
        await Store.RecordTriesAsync(Queue, Epoch, tries, None);

        DeadLetter[] expected =
        [
            Letter(1, later) with { Tries = 2, LastTriedAt = Now.AddSeconds(1) }, Letter(2, none) with { Tries = 1, LastTriedAt = Now }, Letter(3),
        ];
        AssertSame(expected, await Store.ReadAsync(Queue, null, null, 10, None));
        await Store.RecordTriesAsync(Queue, Epoch, [new(Orders, At(2), Refused, Now.AddSeconds(9))], None);
        AssertSame(
            [Letter(2) with { Tries = 2, LastTriedAt = Now.AddSeconds(9) }], await Store.ReadAsync(Queue, Orders, [At(2)], None));
    }

    [Fact]
    public async Task Should_take_entries_out_for_good_and_do_nothing_the_second_time()
    {
        await Store.AppendAsync(Queue, Epoch, [Letter(1), Letter(2), Letter(2, 1, Odd), Letter(3)], None);
        await Store.RecordTriesAsync(Queue, Epoch, [new DeadLetterTry(Orders, At(2), Refused, Now)], None);

        for (var i = 0; i < 2; i++)
        {
            await Store.RemoveAsync(Queue, Epoch, Orders, [At(1), At(2), At(2, 1), At(5)], None);
            Assert.Equal([At(2, 1), At(3)], (await Store.ReadAsync(Queue, null, null, 10, None)).Select(l => l.At));
        }

        // Nothing of what was noted of it comes back with it.
        await Store.AppendAsync(Queue, Epoch, [Letter(2)], None);
        AssertSame([Letter(2)], await Store.ReadAsync(Queue, Orders, [At(2)], None));
    }

    [Fact]
    public async Task Should_put_another_payload_in_the_place_of_an_entrys_for_good()
    {
        await Store.AppendAsync(Queue, Epoch, [Letter(1), Letter(2), Letter(3, table: Odd)], None);
        await Store.RecordTriesAsync(Queue, Epoch, [new DeadLetterTry(Orders, At(2), Refused, Now)], None);
        var before = await Store.ReadAsync(Queue, null, null, 10, None);

        for (var i = 0; i < 2; i++)
        {
            await Store.ReplaceAsync(Queue, Epoch, Orders, At(2), new byte[] { 0, 255, 10, 0, 7 }, None);
            AssertSame([before[0], before[1] with { Payload = new byte[] { 0, 255, 10, 0, 7 } }, before[2]], await Store.ReadAsync(Queue, null, null, 10, None));
        }

        await AssertNothingElseIsKeptAsync(3);
        Assert.Equal(before[0].Payload.Length + 5, (await Store.SummarizeAsync(Queue, None)).Where(g => g.Table == Orders).Sum(g => g.Bytes));
        // One that is not there, or not of this table, does not come to be.
        await Store.ReplaceAsync(Queue, Epoch, Orders, At(3), new byte[] { 1 }, None);
        await Store.ReplaceAsync(Queue, Epoch, Orders, At(9), new byte[] { 1 }, None);
        AssertSame([before[2]], await Store.ReadAsync(Queue, Odd, null, 10, None));
        await Store.RemoveAsync(Queue, Epoch, Orders, [At(1), At(2)], None);
        await Store.RemoveAsync(Queue, Epoch, Odd, [At(3)], None);
        await AssertNothingElseIsKeptAsync(0);
    }

    [Fact]
    public async Task Should_do_nothing_with_nothing()
    {
        await Store.AppendAsync(Queue, Epoch, [], None);
        await Store.RecordTriesAsync(Queue, Epoch, [], None);
        await Store.RemoveAsync(Queue, Epoch, Orders, [], None);

        Assert.Empty(await Store.ReadAsync(Queue, null, null, 10, None));
        Assert.Empty(await Store.SummarizeAsync(Queue, None));
    }

    [Fact]
    public async Task Should_refuse_every_write_of_an_older_incarnation()
    {
        await Store.AppendAsync(Queue, Epoch, [Letter(1), Letter(2)], None);
        var newer = await IssueAsync(Queue.PipelineId);
        await Store.OpenAsync(Queue, newer, None);

        await Assert.ThrowsAsync<FencedException>(() => Store.OpenAsync(Queue, Epoch, None));
        await Assert.ThrowsAsync<FencedException>(() => Store.AppendAsync(Queue, Epoch, [Letter(3)], None));
        await Assert.ThrowsAsync<FencedException>(() => Store.RemoveAsync(Queue, Epoch, Orders, [At(1)], None));
        await Assert.ThrowsAsync<FencedException>(() => Store.RecordTriesAsync(Queue, Epoch, [new(Orders, At(1), Refused, Now)], None));
        await Assert.ThrowsAsync<FencedException>(() => Store.ReplaceAsync(Queue, Epoch, Orders, At(1), new byte[] { 9 }, None));

        AssertSame([Letter(1), Letter(2)], await Store.ReadAsync(Queue, null, null, 10, None));
        await Store.AppendAsync(Queue, newer, [Letter(3)], None);
        await Store.RemoveAsync(Queue, newer, Orders, [At(1), At(2)], None);
        AssertSame([Letter(3)], await Store.ReadAsync(Queue, null, null, 10, None));
    }

    [Fact]
    public async Task Should_never_mix_pipelines_or_generations_of_one_source_and_destination()
    {
        var (other, otherEpoch) = await NewQueueAsync("other", Queue);
        var again = Queue with { Generation = Guid.NewGuid() };
        await Store.OpenAsync(again, Epoch, None);
        await Store.AppendAsync(Queue, Epoch, [Letter(1), Letter(2)], None);
        await Store.AppendAsync(other, otherEpoch, [Letter(1) with { Xid = 7 }, Letter(3)], None);
        await Store.AppendAsync(again, Epoch, [Letter(1) with { Xid = 8 }], None);

        await Store.RemoveAsync(Queue, Epoch, Orders, [At(1), At(3)], None);
        await Store.RecordTriesAsync(again, Epoch, [new DeadLetterTry(Orders, At(1), Refused, Now)], None);

        AssertSame([Letter(2)], await Store.ReadAsync(Queue, null, null, 10, None));
        AssertSame([Letter(1) with { Xid = 7 }, Letter(3)], await Store.ReadAsync(other, null, null, 10, None));
        AssertSame([Letter(1) with { Xid = 8, Tries = 1, LastTriedAt = Now }], await Store.ReadAsync(again, Orders, null, 10, None));
        Assert.Equal(2, (await Store.SummarizeAsync(other, None)).Sum(g => g.Count));
    }

    [Fact]
    public async Task Should_sum_up_by_table_class_and_sqlstate()
    {
        var shape = new DeadLetterFailure(ErrorClass.Table, "gone", "42P01");
        await Store.AppendAsync(
            Queue, Epoch,
            [
                Letter(1) with { ParkedAt = Now.AddSeconds(5) }, Letter(2) with { Payload = new byte[100] }, Letter(3, (DeadLetterFailure?)null), Letter(4, table: Odd),
                Letter(5), Letter(6) with { Payload = new byte[1000] },
            ],
            None);
        await Store.RecordTriesAsync(Queue, Epoch, [new DeadLetterTry(Orders, At(6), shape, Now)], None);
        await Store.RemoveAsync(Queue, Epoch, Orders, [At(5)], None);

        var groups = await Store.SummarizeAsync(Queue, None);

        Assert.Equal(
            [
                new DeadLetterGroup(Orders, null, null, 1, 4, Now, Now, null),
                new DeadLetterGroup(Orders, ErrorClass.Data, "23514", 2, 104, Now, Now.AddSeconds(5), Refused.Error),
                new DeadLetterGroup(Orders, ErrorClass.Table, "42P01", 1, 1000, Now, Now, "gone"),
                new DeadLetterGroup(Odd, ErrorClass.Data, "23514", 1, 4, Now, Now, Refused.Error),
            ],
            groups.OrderBy(g => g.Table.Schema, StringComparer.Ordinal).ThenBy(g => g.Class));
    }

    [Fact]
    public async Task Should_take_ten_thousand_entries_in_a_call()
    {
        var letters = Enumerable.Range(1, 10_000).Select(i => Letter((ulong)(i / 10), i, i % 7 == 0 ? Odd : Orders)).ToArray();
        await Store.AppendAsync(Queue, Epoch, letters, None);

        var found = new List<DeadLetter>();
        while (await Store.ReadAsync(Queue, null, found.LastOrDefault()?.At, 3_000, None) is { Count: > 0 } page)
            found.AddRange(page);
        AssertSame(letters, found);

        await Store.RecordTriesAsync(Queue, Epoch, [.. letters.Select(l => new DeadLetterTry(l.Table, l.At, Refused, Now))], None);
        Assert.All(await Store.ReadAsync(Queue, Odd, [.. letters.Select(l => l.At)], None), l => Assert.Equal(1, l.Tries));
        await Store.RemoveAsync(Queue, Epoch, Orders, [.. letters.Select(l => l.At)], None);
        await Store.RemoveAsync(Queue, Epoch, Odd, [.. letters.Select(l => l.At)], None);
        Assert.Empty(await Store.SummarizeAsync(Queue, None));
    }

    [Fact]
    public async Task Should_take_payloads_of_ten_megabytes()
    {
        var letters = Enumerable.Range(1, 4).Select(i => Letter((ulong)i) with { Payload = Noise(10 << 20, i) }).ToArray();

        await Store.AppendAsync(Queue, Epoch, letters, None);

        AssertSame(letters, await Store.ReadAsync(Queue, null, null, 10, None));
    }

    [Fact]
    public async Task Should_have_what_it_answered_for_after_its_server_was_killed()
    {
        for (ulong round = 1; round <= 3; round++)
        {
            await Store.AppendAsync(Queue, Epoch, [.. Enumerable.Range(0, 20).Select(i => Letter(round, i))], None);
            await KillServerAsync();
            await StartServerAsync();
            await WhenBackAsync();
            Assert.Equal(20 * (int)round, (await Store.ReadAsync(Queue, null, null, 1000, None)).Count);
        }

        await Store.RemoveAsync(Queue, Epoch, Orders, [.. Enumerable.Range(0, 20).Select(i => At(1, i))], None);
        await KillServerAsync();
        await StartServerAsync();
        await WhenBackAsync();
        Assert.Equal(40, (await Store.ReadAsync(Queue, null, null, 1000, None)).Count);
    }

    [Fact]
    public async Task Should_have_all_of_an_append_that_is_repeated_after_a_kill_in_its_middle_and_nothing_twice()
    {
        var letters = Enumerable.Range(1, 4_000).Select(i => Letter((ulong)i, table: i % 3 == 0 ? Odd : Orders) with { Payload = Noise(2_000, i) }).ToArray();
        var append = Store.AppendAsync(Queue, Epoch, letters, None);
        await KillServerAsync();
        var error = await Record.ExceptionAsync(() => append);
        Assert.True(error is null or DeadLetterStoreException, $"{error}");
        await StartServerAsync();
        await WhenBackAsync();

        await Store.AppendAsync(Queue, Epoch, letters, None);

        AssertSame(letters, await Store.ReadAsync(Queue, null, null, 10_000, None));
        await AssertNothingElseIsKeptAsync(letters.Length);
    }

    /// <summary>That the server has so many entries and no more, by its own means.</summary>
    protected abstract Task AssertNothingElseIsKeptAsync(int count);

    [Fact]
    public async Task Should_say_that_its_server_is_away_and_go_on_when_it_is_back()
    {
        await Store.AppendAsync(Queue, Epoch, [Letter(1)], None);
        await KillServerAsync();

        foreach (var call in Calls())
        {
            var error = await Assert.ThrowsAsync<DeadLetterStoreException>(call);
            Assert.Equal(ErrorClass.Transient, error.Fault.Class);
            Assert.False(string.IsNullOrEmpty(error.Fault.Remedy));
        }

        Assert.Equal(ErrorClass.Transient, (await Store.CheckAsync(None))?.Class);

        await StartServerAsync();
        await WhenBackAsync();
        await Store.AppendAsync(Queue, Epoch, [Letter(1), Letter(2)], None);
        AssertSame([Letter(1), Letter(2)], await Store.ReadAsync(Queue, null, null, 10, None));
    }

    protected Func<Task>[] Calls() =>
    [
        () => Store.OpenAsync(Queue, Epoch, None),
        () => Store.AppendAsync(Queue, Epoch, [Letter(2)], None),
        () => Store.RecordTriesAsync(Queue, Epoch, [new DeadLetterTry(Orders, At(1), Refused, Now)], None),
        () => Store.RemoveAsync(Queue, Epoch, Orders, [At(1)], None),
        () => Store.ReadAsync(Queue, null, null, 10, None),
        () => Store.ReadAsync(Queue, Orders, [At(1)], None),
        () => Store.SummarizeAsync(Queue, None),
    ];

    protected Task WhenBackAsync() => Wait.UntilAsync(
        async () =>
        {
            await Store.OpenAsync(Queue, Epoch, None);
            return true;
        },
        "the store to answer again");

    protected async Task<(DeadLetterQueue Queue, long Epoch)> NewQueueAsync(string name, DeadLetterQueue? beside = null)
    {
        var pipeline = beside is null
            ? await Config.AddPipelineAsync(name)
            : StoreUnderTest.Value(await Config.Pipelines.AddAsync(name, beside.SourceId, None));
        var queue = new DeadLetterQueue(pipeline.Source.Id, pipeline.Id, beside?.DestinationId ?? pipeline.Destinations[0].Destination.Id, Guid.NewGuid());
        var epoch = await IssueAsync(pipeline.Id);
        await Store.OpenAsync(queue, epoch, None);
        return (queue, epoch);
    }

    protected async Task<long> IssueAsync(long pipelineId) => (await new EpochRepository(Config.Database).IssueAsync(pipelineId, null, None))!.Value;

    protected static Position At(ulong commit, long ordinal = 0) => new(new Lsn(commit), ordinal);

    protected static DeadLetter Letter(ulong commit, long ordinal = 0, TableName? table = null) => Letter(commit, ordinal, table, Refused);

    protected static DeadLetter Letter(ulong commit, DeadLetterFailure? failure) => Letter(commit, 0, null, failure);

    protected static DeadLetter Letter(ulong commit, long ordinal, DeadLetterFailure? failure) => Letter(commit, ordinal, null, failure);

    static DeadLetter Letter(ulong commit, long ordinal, TableName? table, DeadLetterFailure? failure) =>
        new(table ?? Orders, At(commit, ordinal), 4711, 1_000_000, ChangeKind.Update, ["1"], new byte[] { 1, 2, 3, 4 }, failure, Now);

    protected static byte[] Noise(int length, int seed)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    protected static void AssertSame(IReadOnlyList<DeadLetter> expected, IReadOnlyList<DeadLetter> found)
    {
        Assert.Equal(expected.Select(Comparable), found.Select(Comparable));
        Assert.All(expected.Zip(found), pair => Assert.True(pair.First.Payload.Span.SequenceEqual(pair.Second.Payload.Span), $"payload of {pair.First.At}"));

        // Records of lists and bytes compare by reference.
        static (DeadLetter, string, int) Comparable(DeadLetter l) => (l with { Key = [], Payload = default }, string.Join('\u0001', l.Key), l.Payload.Length);
    }
}
