using Rosetta.Core.DeadLetters;
using Rosetta.Core.Destinations;
using Rosetta.Core.Failpoints;
using Rosetta.Store.Jobs;

namespace Rosetta.Actors.Recovery;

/// <summary>
/// Tries one parked change with those that it has to be applied together with, since changes of a row keep their order; with another new row where one is given, which
/// takes the place of the old one for good once the destination has shown that it takes it. A dry run only shows.
/// </summary>
/// <param name="between">Runs something between two groups of the stream.</param>
sealed class EntryRetry(
    IDestinationSession session, LaneLetters letters, RecoveryRecords records, Func<Func<CancellationToken, Task>, CancellationToken, Task> between, TimeProvider time)
{
    /// <summary>Changes of a table that is parked whole that can be retried together.</summary>
    const int Most = 10_000;

    /// <param name="order">As its row is: an earlier incarnation may have begun it.</param>
    public async Task<RecoveryReport> RunAsync(RecoveryOrder order, CancellationToken cancellationToken)
    {
        var entry = order.Request.Entry!;
        var letter = await letters.Store.FindAsync(letters.Queue, entry, cancellationToken).ConfigureAwait(false);
        if (letter is null || (await session.FindParkedAsync(letter.Table, [letter.At], cancellationToken).ConfigureAwait(false)).Count == 0)
            return await GoneAsync(order, cancellationToken).ConfigureAwait(false);
        var groups = await session.ListParkedAsync(letter.Table, Most, cancellationToken).ConfigureAwait(false);
        if (groups.FirstOrDefault(g => g.At.Contains(letter.At)) is not { } group)
            return Failed($"More than {Most} changes come before this one, and table {letter.Table} is parked whole, so that they have to be applied first: recover the table.");
        var all = await letters.Store.ReadAsync(letters.Queue, letter.Table, group.At, cancellationToken).ConfigureAwait(false);
        if (all.Count < group.At.Count)
            return Failed($"{group.At.Count - all.Count} changes that have to be applied together with this one are lost: only a copy of table {letter.Table} mends that (resync).", lost: group.At.Count);

        var edited = letter;
        if (order.Request.Edited is { Count: > 0 } values)
        {
            var made = await session.EditAsync(letter, values, cancellationToken).ConfigureAwait(false);
            if (made.Letter is null)
                return Failed(made.Problem!);
            edited = made.Letter;
            all = [.. all.Select(l => l.At == edited.At ? edited : l)];
        }

        var isEdited = !ReferenceEquals(edited, letter);
        if (order.Request.DryRun)
            return await ShowAsync(edited, all, cancellationToken).ConfigureAwait(false);
        await records.Orders.NoteAtHandAsync(order, all.Count, letters.Epoch, cancellationToken).ConfigureAwait(false);
        if (isEdited && await EditAsync(order, letter, edited, all, cancellationToken).ConfigureAwait(false) is { } refused)
            return refused;
        return await ApplyAsync(edited, all, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>It is not parked any more. By an incarnation of this order that died before it could say so, or by something else.</summary>
    async Task<RecoveryReport> GoneAsync(RecoveryOrder order, CancellationToken cancellationToken)
    {
        var isOurs = order is { AtHand: > 0, Request.DryRun: false }
            && (order.Request.Edited is not { Count: > 0 } || await records.Audit.CountAsync(order.Id, cancellationToken).ConfigureAwait(false) > 0);
        return isOurs
            ? new RecoveryReport("COMPLETED", new RecoveryCounts(Recovered: order.AtHand))
            : RecoveryReport.NotParked(order.Request.Entry!, new RecoveryCounts());
    }

    /// <summary>Null: the edit is in its place.</summary>
    async Task<RecoveryReport?> EditAsync(RecoveryOrder order, DeadLetter letter, DeadLetter edited, IReadOnlyList<DeadLetter> all, CancellationToken cancellationToken)
    {
        var outcome = await TryAsync(letter, all, isTrial: true, cancellationToken).ConfigureAwait(false);
        if (outcome.Failure is not null && outcome.FailedAt == letter.At)
            return Refused(outcome, all, "The destination does not take the edited row either, so that nothing was changed");
        await records.Audit.BeginEditAsync(letters.Queue, letters.Epoch, order, letter, edited.Payload, cancellationToken).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.EditAudited);
        await letters.Store.ReplaceAsync(letters.Queue, letters.Epoch, letter.Table, letter.At, edited.Payload, cancellationToken).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.EditReplaced);
        await records.Audit.EndAsync(letters.Queue, letters.Epoch, order.Id, letter.Table, [letter.At], [], cancellationToken).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.EditNoted);
        return null;
    }

    async Task<RecoveryReport> ApplyAsync(DeadLetter letter, IReadOnlyList<DeadLetter> all, CancellationToken cancellationToken)
    {
        var outcome = await TryAsync(letter, all, isTrial: false, cancellationToken).ConfigureAwait(false);
        if (outcome.Failure is { } failure)
        {
            await letters.Store.RecordTriesAsync(
                letters.Queue, letters.Epoch, [new DeadLetterTry(letter.Table, outcome.FailedAt ?? all[0].At, failure, time.GetUtcNow())], cancellationToken).ConfigureAwait(false);
            return Refused(outcome, all, "It is not applied");
        }

        await letters.Store.RemoveAsync(letters.Queue, letters.Epoch, letter.Table, [.. all.Select(l => l.At)], cancellationToken).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.RecoverRemoved);
        return new RecoveryReport("COMPLETED", new RecoveryCounts(Recovered: all.Count));
    }

    async Task<RecoveryReport> ShowAsync(DeadLetter letter, IReadOnlyList<DeadLetter> all, CancellationToken cancellationToken)
    {
        var outcome = await TryAsync(letter, all, isTrial: true, cancellationToken).ConfigureAwait(false);
        var row = await session.FindRowAsync(letter, cancellationToken).ConfigureAwait(false);
        return new RecoveryReport("COMPLETED", new RecoveryCounts(), Result: RetryResult.OfDryRun(letter, all, outcome, row));
    }

    async Task<RecoveryOutcome> TryAsync(DeadLetter letter, IReadOnlyList<DeadLetter> all, bool isTrial, CancellationToken cancellationToken)
    {
        RecoveryOutcome? outcome = null;
        await between(async token => outcome = await session.RecoverAsync(letter.Table, all, isTrial, token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        return outcome!;
    }

    static RecoveryReport Refused(RecoveryOutcome outcome, IReadOnlyList<DeadLetter> all, string what)
    {
        var at = all.FirstOrDefault(l => l.At == outcome.FailedAt)?.Id;
        return new RecoveryReport(
            "FAILED", new RecoveryCounts(Failed: all.Count), Error: $"{what}: {(at is null ? "" : $"change {at}: ")}{outcome.Failure!.Error}", Result: RetryResult.OfFailure(all, outcome));
    }

    static RecoveryReport Failed(string error, long lost = 0) => new("FAILED", new RecoveryCounts(Lost: lost), Error: error);
}
