using Rosetta.Core.Tables;

namespace Rosetta.Core.Destinations;

/// <summary>What a table that has been copied is to get beside its rows and key.</summary>
/// <param name="Extras">What the source's table has.</param>
/// <param name="IsTransformed">Rows are not the source's, so that what holds there need not hold here.</param>
/// <param name="Targets">Where the other tables go, by source table: for foreign keys.</param>
public sealed record TableExtras(TableRoute Route, IReadOnlyList<TableExtra> Extras, bool IsTransformed, IReadOnlyDictionary<TableName, TableName> Targets);
