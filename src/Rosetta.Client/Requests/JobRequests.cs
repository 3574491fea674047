using System.Text.Json;

namespace Rosetta.Client.Requests;

/// <summary>Body of <c>POST /pipelines/{id}/backfill</c>.</summary>
/// <param name="DestinationIds">Null: all of the pipeline.</param>
/// <param name="Filters">Strings (column operator literal) or objects (column, operator, value).</param>
public sealed record StartBackfill(string TableName, IReadOnlyList<long>? DestinationIds = null, int? BatchSize = null, IReadOnlyList<JsonElement>? Filters = null);

/// <summary>Body of <c>POST /pipelines/{id}/verify</c>.</summary>
/// <param name="Tables">Null: all of the destinations.</param>
/// <param name="DestinationIds">Null: all of the pipeline.</param>
/// <param name="Repair">What differs is made equal.</param>
public sealed record StartVerify(IReadOnlyList<string>? Tables = null, IReadOnlyList<long>? DestinationIds = null, bool? Repair = null);
