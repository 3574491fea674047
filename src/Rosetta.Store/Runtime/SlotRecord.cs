using System.Collections.Immutable;
using Rosetta.Core.Positions;

namespace Rosetta.Store.Runtime;

/// <summary>What is remembered of a pipeline's slot, to tell a gap from a slot that is still ours and where we left it.</summary>
/// <param name="SystemIdentifier">Of the server the slot was made on.</param>
/// <param name="Timeline">Of that server at that time.</param>
/// <param name="ConsistentPoint">Of CREATE_REPLICATION_SLOT.</param>
/// <param name="CatalogJson">Further facts about the slot, as the source side writes them (a JSON object).</param>
/// <param name="PublicationJson">OIDs, flags and members of the publications, as the source side writes them (a JSON object).</param>
/// <param name="AcknowledgedLsn">The highest position that was, or was about to be, acknowledged to the source; null before the first.</param>
/// <param name="RestedOn">The durable positions that acknowledgement rested on.</param>
public sealed record SlotRecord(
    long PipelineId,
    string SlotName,
    string SystemIdentifier,
    int Timeline,
    Lsn ConsistentPoint,
    string CatalogJson,
    string PublicationJson,
    Lsn? AcknowledgedLsn,
    ImmutableArray<RestedOn> RestedOn);

/// <summary>The durable position of one destination at the time of an acknowledgement.</summary>
public readonly record struct RestedOn(long DestinationId, Guid Generation, Lsn Position);
