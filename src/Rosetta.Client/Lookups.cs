using System.Globalization;
using Rosetta.Client.Answers;

namespace Rosetta.Client;

/// <summary>People name things; the API numbers them.</summary>
public static class Lookups
{
    const int PageSize = 1000;

    /// <summary>The id of the item of a collection (<c>pipelines</c>, <c>sources</c>, <c>destinations</c>) with this id or name.</summary>
    /// <exception cref="ApiException">There is none of that name.</exception>
    public static async Task<long> IdAsync(
        this ApiClient api, string collection, string idOrName, CancellationToken cancellationToken = default)
    {
        if (long.TryParse(idOrName, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            return id;
        for (var offset = 0; ; offset += PageSize)
        {
            var answer = await api.GetAsync($"{collection}?limit={PageSize}&offset={offset}", cancellationToken);
            var page = answer.As<Page<Named>>();
            if (page.Items.FirstOrDefault(i => i.Name == idOrName) is { } found)
                return found.Id;
            if (page.Items.Count < PageSize)
                throw new ApiException(null, "Not found", $"There is no '{idOrName}' among the {collection}; 'rosetta {collection} list' shows them.");
        }
    }

    /// <summary>The name of a table as it stands in a URL.</summary>
    public static string Escape(string table) => Uri.EscapeDataString(table);

    sealed record Named(long Id, string Name);
}
