using System.Globalization;
using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Destination.Plans;

/// <summary>The remedy that ends most stops of a table: copying it again.</summary>
static class ResyncRemedy
{
    public static string For(long pipelineId, TableName table, string? first = null)
    {
        var resync = string.Create(
            CultureInfo.InvariantCulture,
            $"POST /api/v1/pipelines/{pipelineId}/destinations/{{id}}/tables/{Uri.EscapeDataString(table.ToString())}/resync (copies the table again)");
        return first is null ? resync : $"{first.TrimEnd()} Then {resync}";
    }
}
