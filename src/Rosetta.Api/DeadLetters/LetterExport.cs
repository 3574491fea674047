using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Rosetta.Api.DeadLetters;

/// <summary>All dead letters that fit, one JSON object a line, written page by page. One that ends without a last line break was cut.</summary>
sealed class LetterExport(LetterQueue queue, LetterFilter filter) : IResult
{
    public const string ContentType = "application/x-ndjson";

    const int Page = 200;

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        var options = httpContext.RequestServices.GetRequiredService<IOptions<JsonOptions>>().Value.SerializerOptions;
        var response = httpContext.Response;
        var cancellationToken = httpContext.RequestAborted;
        await using var reader = new LetterReader(queue, filter);
        // The first page comes before the answer begins: a store that is away is told by a status.
        for (var (items, next) = await reader.ReadAsync(filter.After, Page, cancellationToken); ; (items, next) = await reader.ReadAsync(next, Page, cancellationToken))
        {
            response.ContentType = ContentType;
            foreach (var item in items)
            {
                await JsonSerializer.SerializeAsync(response.Body, item, options, cancellationToken);
                await response.Body.WriteAsync("\n"u8.ToArray(), cancellationToken);
            }

            await response.Body.FlushAsync(cancellationToken);
            if (next is null) return;
        }
    }
}
