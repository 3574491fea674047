using Rosetta.Actors.Recovery;
using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Actors.Tests.Recovery;

/// <summary>In which transactions parked changes are tried, and what is told of them.</summary>
public sealed class RecoveryRunTests
{
    static readonly TableName Table = new("public", "t");
    static readonly DeadLetterQueue Queue = new(1, 2, 3, Guid.NewGuid());

    readonly Parked _parked = new();
    readonly Letters _store = new();

    Task<RecoveryTally> RunAsync(Func<DeadLetter, bool>? wants = null, int groups = 100, CancellationToken enough = default) => Run(wants, groups).RunAsync(null, default, enough);

    RecoveryRun Run(Func<DeadLetter, bool>? wants = null, int groups = 100) => new(
        _parked, _store, Queue, 7, (work, token) => work(token), new RecoveryLimits(groups, 2), group => wants is null || group.Any(wants), TimeProvider.System);

    void Park(int group, params int[] at)
    {
        _parked.Groups.Add([.. at]);
        foreach (var place in at)
            _store.All[At(place)] = new DeadLetter(Table, At(place), 1, 0, ChangeKind.Update, [$"{group}"], default, place == at[0] ? new DeadLetterFailure(ErrorClass.Data, "no", "23514") : null, default);
    }

    static Position At(int place) => new(new Lsn((ulong)place), 0);

    [Fact]
    public async Task Should_apply_many_groups_in_one_transaction_in_the_order_of_the_stream()
    {
        Park(1, 1, 4);
        Park(2, 2, 3);
        Assert.Equal(new RecoveryTally(4, 0, 0, 0), await RunAsync());
        Assert.Equal(["1,2,3,4"], _parked.Tried);
        Assert.Empty(_store.All);
    }

    [Fact]
    public async Task Should_halve_until_the_groups_that_fail_are_alone()
    {
        for (var group = 1; group <= 16; group++)
            Park(group, group);
        _parked.Failing.Add(5);
        Assert.Equal(new RecoveryTally(15, 1, 0, 0), await RunAsync());
        // All, then one half of each failing part after the other: few transactions, not one for each.
        Assert.Equal(9, _parked.Tried.Count);
        Assert.Equal([At(5)], _store.All.Keys);
        Assert.Equal((At(5), "23514"), (_store.Tries.Single().At, _store.Tries.Single().Failure.SqlState));
    }

    [Fact]
    public async Task Should_try_all_that_comes_after_one_that_fails_though_the_store_is_too_full_to_note_it()
    {
        for (var group = 1; group <= 8; group++)
            Park(group, group);
        _parked.Failing.Add(1);
        _store.Full = new DeadLetterStoreException(new Fault(ErrorClass.Operator, "full", "make room"));
        var run = Run(groups: 2);
        Assert.Equal(new RecoveryTally(7, 1, 0, 0), await run.RunAsync(null, default));
        Assert.Equal("full", run.Unnoted?.Reason);
        Assert.Equal([At(1)], _store.All.Keys);
    }

    [Fact]
    public async Task Should_try_those_together_that_fail_by_a_unique_constraint()
    {
        Park(1, 1);
        Park(2, 2);
        Park(3, 3);
        _parked.Tied.UnionWith([1, 3]);
        _parked.Failing.Add(2);
        Assert.Equal(new RecoveryTally(2, 1, 0, 0), await RunAsync());
        Assert.Equal("1,3", _parked.Tried[^1]);
        Assert.Equal([At(2)], _store.All.Keys);
    }

    [Fact]
    public async Task Should_leave_alone_what_is_not_wanted_and_tell_what_is_lost()
    {
        Park(1, 1, 2);
        Park(2, 3);
        Park(3, 4, 5);
        _store.All.Remove(At(5));
        Assert.Equal(new RecoveryTally(1, 0, 0, 2), await RunAsync(l => l.Key[0] != "1"));
        Assert.Equal(["3"], _parked.Tried);
        Assert.Equal([At(1), At(2), At(4)], _store.All.Keys.Order());
    }

    [Fact]
    public async Task Should_take_a_table_that_is_parked_whole_piece_by_piece_as_far_as_it_goes()
    {
        Park(0, 1, 2, 3, 4, 5);
        _parked.IsWhole = true;
        _parked.Failing.Add(5);
        var tally = await RunAsync();
        Assert.Equal((4, 1), (tally.Recovered, tally.Failed));
        Assert.Equal(["1,2", "3,4", "5"], _parked.Tried);
    }

    [Fact]
    public async Task Should_end_after_the_transaction_at_hand()
    {
        using var enough = new CancellationTokenSource();
        for (var group = 1; group <= 4; group++)
            Park(group, group);
        _parked.OnTry = enough.Cancel;
        Assert.Equal(2, (await RunAsync(enough: enough.Token, groups: 2)).Recovered);
        Assert.Equal(["1,2"], _parked.Tried);
    }

    /// <summary>A destination that refuses some changes, and some unless all of them come together.</summary>
    sealed class Parked : IParkedChanges
    {
        public List<List<int>> Groups { get; } = [];

        public HashSet<int> Failing { get; } = [];

        public HashSet<int> Tied { get; } = [];

        public bool IsWhole { get; set; }

        public List<string> Tried { get; } = [];

        public Action OnTry { get; set; } = static () => { };

        IReadOnlyDictionary<TableName, bool> IParkedChanges.Parked => new Dictionary<TableName, bool> { [Table] = IsWhole };

        Task<IReadOnlyList<ParkedGroup>> IParkedChanges.ListParkedAsync(TableName table, int most, CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<ParkedGroup>>([.. Groups.Where(g => g.Count > 0).Select(g => new ParkedGroup(table, [.. g.Take(IsWhole ? most : int.MaxValue).Select(At)], IsWhole))]);

        Task<RecoveryOutcome> IParkedChanges.RecoverAsync(TableName table, IReadOnlyList<DeadLetter> letters, bool isTrial, CancellationToken cancellationToken)
        {
            var places = letters.Select(l => (int)l.At.Commit.Value).ToList();
            Tried.Add(string.Join(',', places));
            OnTry();
            var tied = Tied.Count > 0 && places.Exists(Tied.Contains) && !Tied.IsSubsetOf(places);
            var failing = places.Find(p => Failing.Contains(p) || (tied && Tied.Contains(p)));
            if (failing != 0)
                return Task.FromResult(new RecoveryOutcome(new DeadLetterFailure(ErrorClass.Data, "no", Failing.Contains(failing) ? "23514" : "23505"), At(failing), []));
            foreach (var group in Groups)
                group.RemoveAll(places.Contains);
            return Task.FromResult(new RecoveryOutcome(null, null, []));
        }
    }

    sealed class Letters : IDeadLetterStore
    {
        public Dictionary<Position, DeadLetter> All { get; } = [];

        public List<DeadLetterTry> Tries { get; } = [];

        /// <summary>What writes fail with that take room.</summary>
        public DeadLetterStoreException? Full { get; set; }

        public Task<IReadOnlyList<DeadLetter>> ReadAsync(DeadLetterQueue queue, TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<DeadLetter>>([.. at.Where(All.ContainsKey).Select(a => All[a])]);

        public Task RecordTriesAsync(DeadLetterQueue queue, long epoch, IReadOnlyList<DeadLetterTry> tries, CancellationToken cancellationToken)
        {
            Tries.AddRange(tries);
            return Full is null ? Task.CompletedTask : Task.FromException(Full);
        }

        public Task RemoveAsync(DeadLetterQueue queue, long epoch, TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken)
        {
            foreach (var place in at)
                All.Remove(place);
            return Task.CompletedTask;
        }

        public Task ReplaceAsync(DeadLetterQueue queue, long epoch, TableName table, Position at, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task OpenAsync(DeadLetterQueue queue, long epoch, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task AppendAsync(DeadLetterQueue queue, long epoch, IReadOnlyList<DeadLetter> entries, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IReadOnlyList<DeadLetter>> ReadAsync(DeadLetterQueue queue, TableName? table, Position? after, int limit, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IReadOnlyList<DeadLetterGroup>> SummarizeAsync(DeadLetterQueue queue, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<Fault?> CheckAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
