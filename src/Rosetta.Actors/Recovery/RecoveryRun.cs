using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Recovery;

/// <summary>What a recovery has done so far, in changes.</summary>
/// <param name="Lost">Recorded at the destination, and their payload is not in the store: they are to be discarded, and the table copied.</param>
public readonly record struct RecoveryTally(long Recovered, long Failed, long Remaining, long Lost);

/// <summary>
/// Brings parked changes of a destination back, beside its stream: groups of keys together in a transaction between two groups of the stream; a transaction
/// that fails is halved until the groups that fail are alone. Those that fail by a unique constraint are tried together at the end: one may wait for another.
/// </summary>
/// <param name="between">Runs something between two groups of the stream.</param>
/// <param name="wants">Which groups are tried.</param>
sealed class RecoveryRun(
    IParkedChanges parked, IDeadLetterStore store, DeadLetterQueue queue, long epoch, Func<Func<CancellationToken, Task>, CancellationToken, Task> between, RecoveryLimits limits,
    Func<IReadOnlyList<DeadLetter>, bool> wants, TimeProvider time)
{
    const string UniqueViolation = "23505";
    const string ExclusionViolation = "23P01";

    RecoveryTally _tally;

    public RecoveryTally Tally => _tally;

    /// <summary>Why tries that failed could not be noted; null: they were.</summary>
    public Fault? Unnoted { get; private set; }

    /// <summary>Told how far it is.</summary>
    public Action<RecoveryTally> Told { get; init; } = static _ => { };

    /// <param name="table">Null: all that have parked changes.</param>
    /// <param name="enough">Ends after the transaction at hand.</param>
    public async Task<RecoveryTally> RunAsync(TableName? table, CancellationToken cancellationToken, CancellationToken enough = default)
    {
        foreach (var (name, _) in parked.Parked.Where(p => table is null || p.Key == table).ToList())
        {
            var isWhole = true;
            while (isWhole && !enough.IsCancellationRequested)
            {
                var groups = await parked.ListParkedAsync(name, limits.WholeChanges, cancellationToken).ConfigureAwait(false);
                isWhole = groups is [{ IsWhole: true }];
                // A table that is parked whole comes back piece by piece, as far as it goes.
                if (!await RunAsync(name, groups, cancellationToken, enough).ConfigureAwait(false))
                    break;
            }
        }

        return _tally;
    }

    /// <returns>Everything of it was applied, and there was something.</returns>
    async Task<bool> RunAsync(TableName table, IReadOnlyList<ParkedGroup> groups, CancellationToken cancellationToken, CancellationToken enough)
    {
        _tally = _tally with { Remaining = _tally.Remaining + groups.Sum(g => (long)g.At.Count) };
        Told(_tally);
        var tied = new List<Letters>();
        var all = groups.Count > 0;
        foreach (var chunk in groups.Chunk(limits.Groups))
        {
            if (enough.IsCancellationRequested)
                return false;
            var read = new List<Letters>();
            foreach (var group in chunk)
            {
                var letters = await store.ReadAsync(queue, table, group.At, cancellationToken).ConfigureAwait(false);
                if (letters.Count < group.At.Count)
                    Count(lost: group.At.Count);
                else if (!wants(letters))
                    Count(skipped: letters.Count);
                else
                    read.Add(new Letters(letters));
            }

            all &= read.Count == chunk.Length & await ApplyAsync(table, read, tied, cancellationToken).ConfigureAwait(false);
        }

        return tied.Count > 1 && !enough.IsCancellationRequested
            ? await ApplyTiedAsync(table, tied, cancellationToken).ConfigureAwait(false) && all
            : all;
    }

    async Task<bool> ApplyAsync(TableName table, List<Letters> groups, List<Letters> tied, CancellationToken cancellationToken)
    {
        if (groups.Count == 0)
            return true;
        if (await TryAsync(table, groups, cancellationToken).ConfigureAwait(false) is not { } failure)
            return true;
        if (groups.Count > 1)
        {
            var half = groups.Count / 2;
            return await ApplyAsync(table, groups[..half], tied, cancellationToken).ConfigureAwait(false)
                & await ApplyAsync(table, groups[half..], tied, cancellationToken).ConfigureAwait(false);
        }

        if (failure.Failure!.SqlState is UniqueViolation or ExclusionViolation)
            tied.Add(groups[0]);
        var at = failure.FailedAt ?? groups[0].All[0].At;
        try
        {
            await store.RecordTriesAsync(queue, epoch, [new DeadLetterTry(table, at, failure.Failure, time.GetUtcNow())], cancellationToken).ConfigureAwait(false);
        }
        catch (DeadLetterStoreException e)
        {
            // One that is full takes no note of it. Others may be applied, which makes room.
            Unnoted ??= e.Fault;
        }

        Count(failed: groups[0].All.Count);
        return false;
    }

    async Task<bool> ApplyTiedAsync(TableName table, List<Letters> tied, CancellationToken cancellationToken)
    {
        var changes = tied.Sum(g => (long)g.All.Count);
        _tally = _tally with { Failed = _tally.Failed - changes, Remaining = _tally.Remaining + changes };
        if (await TryAsync(table, tied, cancellationToken).ConfigureAwait(false) is null)
            return true;
        Count(failed: changes);
        return false;
    }

    /// <summary>Null: applied.</summary>
    async Task<RecoveryOutcome?> TryAsync(TableName table, IReadOnlyList<Letters> groups, CancellationToken cancellationToken)
    {
        var letters = groups.SelectMany(g => g.All).OrderBy(l => l.At).ToList();
        RecoveryOutcome? outcome = null;
        await between(async token => outcome = await parked.RecoverAsync(table, letters, isTrial: false, token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        if (outcome is { IsRecovered: false })
            return outcome;
        await store.RemoveAsync(queue, epoch, table, [.. letters.Select(l => l.At)], cancellationToken).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.RecoverRemoved);
        Count(recovered: letters.Count);
        return null;
    }

    void Count(long recovered = 0, long failed = 0, long lost = 0, long skipped = 0)
    {
        _tally = new RecoveryTally(_tally.Recovered + recovered, _tally.Failed + failed, _tally.Remaining - recovered - failed - lost - skipped, _tally.Lost + lost);
        Told(_tally);
    }

    sealed record Letters(IReadOnlyList<DeadLetter> All);
}

/// <param name="Groups">Groups of keys in one transaction.</param>
/// <param name="WholeChanges">Changes of a table that is parked whole in one transaction.</param>
public sealed record RecoveryLimits(int Groups, int WholeChanges)
{
    public static readonly RecoveryLimits Default = new(100, 1_000);
}
