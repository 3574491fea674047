namespace Rosetta.Core.Failpoints;

/// <summary>Every failpoint there is, in the order a pipeline meets them. Tests run through each list.</summary>
public static class FailpointNames
{
    // Take-over and slot
    public const string EpochIssued = "pipeline.epoch-issued";
    public const string PublicationMade = "source.publication-made";
    public const string SlotCreated = "source.slot-created";
    public const string SlotRecorded = "source.slot-recorded";
    public const string DestinationFenced = "destination.fenced";

    // Copy
    public const string CopyBegun = "copy.begun";
    public const string CopyHalf = "copy.half";
    public const string CopyBeforeCommit = "copy.before-commit";
    public const string CopyAfterCommit = "copy.after-commit";

    // Copy by chunks
    public const string ChunkStaged = "chunk.staged";
    public const string ChunkBeforeCommit = "chunk.before-commit";
    public const string ChunkAfterCommit = "chunk.after-commit";

    // A changed choice of tables
    public const string ChoiceTableForgotten = "choice.table-forgotten";
    public const string ChoiceCopyBegun = "choice.copy-begun";

    // Indexes and constraints beside the stream
    public const string ExtrasStatementDone = "extras.statement-done";
    public const string ExtrasBeforeRecord = "extras.before-record";

    // Apply
    public const string ApplyBegun = "apply.begun";
    public const string ApplyBeforePosition = "apply.before-position";
    public const string ApplyBeforeCommit = "apply.before-commit";
    public const string ApplyAfterCommit = "apply.after-commit";
    public const string ApplyOpenPiece = "apply.open-piece";
    public const string TableStopRecorded = "apply.table-stop-recorded";

    // Park
    public const string ParkRecorded = "park.recorded";
    public const string ParkStored = "park.stored";
    public const string RecoverApplied = "recover.applied";
    public const string RecoverCommitted = "recover.committed";
    public const string ChunkSuperseded = "chunk.superseded";
    public const string RefusedRecorded = "refused-row.recorded";
    public const string RefusedStored = "refused-row.stored";

    // Orders about what is parked
    public const string RecoverRemoved = "recover.removed";
    public const string EditAudited = "edit.audited";
    public const string EditReplaced = "edit.replaced";
    public const string EditNoted = "edit.noted";
    public const string DiscardAudited = "discard.audited";
    public const string DiscardTaken = "discard.taken";
    public const string DiscardCommitted = "discard.committed";
    public const string DiscardNoted = "discard.noted";
    public const string DiscardRemoved = "discard.removed";

    // Acknowledge
    public const string AcknowledgeBeforeRecord = "acknowledge.before-record";
    public const string AcknowledgeAfterRecord = "acknowledge.after-record";
    public const string AcknowledgeSent = "acknowledge.sent";

    // Lane
    public const string LaneDetached = "lane.detached";
    public const string CatchUpSlotCopied = "lane.slot-copied";
    public const string LaneBoundarySet = "lane.boundary-set";
    public const string LaneJoined = "lane.joined";

    // Spill
    public const string SpillOpening = "spill.opening";
    public const string SpillOpened = "spill.opened";
    public const string SpillBeforeAppend = "spill.before-append";
    public const string SpillAppended = "spill.appended";
    public const string SpillLettingGo = "spill.letting-go";
    public const string SpillRemoved = "spill.removed";
    public const string SpillDrained = "spill.drained";
    public const string SpillAbandoned = "spill.abandoned";

    // Stop
    public const string StopDraining = "pipeline.stop-draining";
    public const string StopReleased = "pipeline.stop-released";

    public static readonly IReadOnlyList<string> All =
    [
        EpochIssued, PublicationMade, SlotCreated, SlotRecorded, DestinationFenced,
        CopyBegun, CopyHalf, CopyBeforeCommit, CopyAfterCommit,
        ChunkStaged, ChunkBeforeCommit, ChunkAfterCommit,
        ApplyBegun, ApplyBeforePosition, ApplyBeforeCommit, ApplyAfterCommit, ApplyOpenPiece, TableStopRecorded,
        AcknowledgeBeforeRecord, AcknowledgeAfterRecord, AcknowledgeSent,
        LaneDetached, CatchUpSlotCopied, LaneBoundarySet, LaneJoined,
        StopDraining, StopReleased,
    ];

    /// <summary>Those that a pipeline meets where changes are parked.</summary>
    public static readonly IReadOnlyList<string> Parking =
    [
        ParkRecorded, ParkStored, RecoverApplied, RecoverCommitted, RecoverRemoved, ChunkSuperseded, RefusedRecorded, RefusedStored,
        EditAudited, EditReplaced, EditNoted, DiscardAudited, DiscardTaken, DiscardCommitted, DiscardNoted, DiscardRemoved,
    ];

    /// <summary>Those that a lane meets whose changes are spilled and drained.</summary>
    public static readonly IReadOnlyList<string> Spill = [SpillOpening, SpillOpened, SpillBeforeAppend, SpillAppended, SpillLettingGo, SpillRemoved, SpillDrained];

    /// <summary>Those met where the choice of tables changes.</summary>
    public static readonly IReadOnlyList<string> Choice = [ChoiceTableForgotten, ChoiceCopyBegun];

    /// <summary>Those met where indexes and constraints are made.</summary>
    public static readonly IReadOnlyList<string> Extras = [ExtrasStatementDone, ExtrasBeforeRecord];

    public static readonly IReadOnlyList<string> Every = [.. All, .. Parking, .. Spill, SpillAbandoned, .. Choice, .. Extras];

    internal static void Require(string name)
    {
        if (!Every.Contains(name))
            throw new FormatException($"{Failpoint.SettingName}: '{name}' is no failpoint; there are: {string.Join(", ", Every)}.");
    }
}
