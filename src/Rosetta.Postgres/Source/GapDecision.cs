using System.Collections.Immutable;
using Rosetta.Core.Positions;

namespace Rosetta.Postgres.Source;

/// <summary>What a pipeline has recorded about its slot.</summary>
/// <param name="ConsistentPoint">Where the slot began; zero when its creation was announced and its end not recorded.</param>
/// <param name="Acknowledged">The highest position that was, or was about to be, acknowledged; null before the first.</param>
/// <param name="RestedOn">The durable positions, by destination, which that acknowledgement rested on.</param>
public sealed record RecordedSlot(
    string SlotName, string Database, string SystemIdentifier, int Timeline, Lsn ConsistentPoint, Lsn? Acknowledged,
    IReadOnlyDictionary<long, Lsn> RestedOn);

/// <summary>What is to be done about a pipeline's slot at a start.</summary>
public enum SlotAction
{
    /// <summary>Neither a slot nor a record: make one.</summary>
    Create,

    /// <summary>A creation of ours was announced and not finished: drop what it left, then make one.</summary>
    Recreate,

    /// <summary>Go on from it, at the destinations that have no gap.</summary>
    Resume,

    /// <summary>A slot of that name exists which is not ours: an operator decides.</summary>
    Foreign,

    /// <summary>The slot, or the cluster behind it, is not what it was: changes are lost for every destination.</summary>
    Gap,
}

/// <param name="Reason">What was found, a sentence; null when all is well.</param>
/// <param name="Remedy">What to do about it.</param>
/// <param name="Gaps">Destinations that have lost changes, and why.</param>
public sealed record SlotDecision(SlotAction Action, string? Reason, string? Remedy, ImmutableSortedDictionary<long, string> Gaps);

/// <summary>
/// Decides whether a pipeline can go on where its destinations stand: pure. The server moves a start position that lies before the slot's
/// confirmed_flush_lsn forward without a word, so a gap has to be found before START_REPLICATION. Nothing is ever skipped.
/// </summary>
public static class GapDecision
{
    const string Resync = "Copy the tables again: POST /api/v1/pipelines/{id}/resync.";

    static readonly ImmutableSortedDictionary<long, string> NoGaps = ImmutableSortedDictionary<long, string>.Empty;

    /// <param name="record">Null when the pipeline never had a slot.</param>
    /// <param name="slot">The slot of the pipeline's name, null when there is none.</param>
    /// <param name="positions">Durable position of each destination (exclusive; of one that cannot be asked, the recorded lower bound). A
    /// destination without any, which is still to be copied, is left out.</param>
    public static SlotDecision Decide(
        RecordedSlot? record, SlotFacts? slot, SourceIdentity source, IReadOnlyDictionary<long, Lsn> positions)
    {
        if (record is null)
            return slot is null ? new SlotDecision(SlotAction.Create, null, null, NoGaps) : Foreign(slot);
        if (record.ConsistentPoint.IsZero)
            return new SlotDecision(slot is null ? SlotAction.Create : SlotAction.Recreate, null, null, NoGaps);
        if (LostCluster(record, source) is { } cluster)
            return Lost(cluster, Resync, positions);
        if (slot is null)
        {
            return Lost(
                source.Timeline > record.Timeline
                    ? $"The source is on timeline {source.Timeline} and was on {record.Timeline}: another server was promoted, and replication slot {record.SlotName} is not there."
                    : $"Replication slot {record.SlotName} is gone.",
                Resync, positions);
        }

        if (LostSlot(record, slot) is { } lost)
            return Lost(lost.Reason, lost.Remedy, positions);

        var branch = BranchOf(record, source);
        var gaps = NoGaps;
        foreach (var (destination, position) in positions)
        {
            if (GapAt(destination, position, record, slot.ConfirmedFlush!.Value, source, branch) is { } gap)
                gaps = gaps.Add(destination, gap);
        }

        return gaps.IsEmpty
            ? new SlotDecision(SlotAction.Resume, null, null, NoGaps)
            : new SlotDecision(SlotAction.Resume, gaps.Values.First(), Resync, gaps);
    }

    static string? GapAt(long destination, Lsn position, RecordedSlot record, Lsn confirmed, SourceIdentity source, Lsn? branch)
    {
        if (branch is { } end && position > end)
            return $"The source went on from {end} on another timeline, and the destination is at {position}: it has changes that the source no longer has.";
        if (position > source.CurrentLsn)
            return $"The source's WAL ends at {source.CurrentLsn}, before the destination's {position}: the source was set back.";
        if (confirmed <= position)
            return null;
        // A destination without anything outstanding does not hold the slot: then its position may lie behind what was acknowledged.
        var rests = record.Acknowledged is { } acknowledged
            && confirmed <= acknowledged
            && record.RestedOn.TryGetValue(destination, out var restedOn)
            && position >= restedOn;
        return rests
            ? null
            : $"Replication slot {record.SlotName} was moved to {confirmed}, past the destination's {position}: the changes between are lost.";
    }

    static string? LostCluster(RecordedSlot record, SourceIdentity source)
    {
        if (source.SystemIdentifier != record.SystemIdentifier)
            return $"The source is another cluster: its system identifier is {source.SystemIdentifier}, it was {record.SystemIdentifier}.";
        if (source.Timeline < record.Timeline)
            return $"The source is on timeline {source.Timeline} and was on {record.Timeline}: it was set back.";
        return source.Timeline > record.Timeline && BranchOf(record, source) is null
            ? $"The source is on timeline {source.Timeline}, which does not descend from timeline {record.Timeline}."
            : null;
    }

    static Lsn? BranchOf(RecordedSlot record, SourceIdentity source)
    {
        foreach (var end in source.History)
        {
            if (end.Timeline == record.Timeline)
                return end.At;
        }

        return null;
    }

    static (string Reason, string Remedy)? LostSlot(RecordedSlot record, SlotFacts slot)
    {
        if (slot.Plugin != "pgoutput" || slot.Database != record.Database || slot.IsTemporary || slot.IsTwoPhase)
            return ($"Replication slot {slot.Name} is not the one that was made: somebody dropped it and made another.", Resync);
        return slot.IsInvalidated || slot.ConfirmedFlush is null ? Invalidated(slot) : null;
    }

    /// <summary>What is said of a slot that the source has let go of; {id} in the remedy is the pipeline's.</summary>
    public static (string Reason, string Remedy) Invalidated(SlotFacts slot)
    {
        var reason = slot.InvalidationReason ?? "wal_removed";
        var advice = reason == "idle_timeout" ? "raise idle_replication_slot_timeout" : "raise max_slot_wal_keep_size";
        return ($"Replication slot {slot.Name} was invalidated by the source ({reason}).", $"{Resync} So that it does not happen again: {advice}.");
    }

    static SlotDecision Foreign(SlotFacts slot) => new(
        SlotAction.Foreign,
        $"Replication slot {slot.Name} exists and was not made by this pipeline.",
        $"Choose another replication_name for the source, or drop the slot if nobody needs it: SELECT pg_drop_replication_slot('{slot.Name}');",
        NoGaps);

    static SlotDecision Lost(string reason, string remedy, IReadOnlyDictionary<long, Lsn> positions) =>
        new(SlotAction.Gap, reason, remedy, positions.Keys.ToImmutableSortedDictionary(d => d, _ => reason));
}
