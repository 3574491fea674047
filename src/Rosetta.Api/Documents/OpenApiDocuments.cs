using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.OpenApi;
using Rosetta.Core.Positions;
using Scalar.AspNetCore;

namespace Rosetta.Api.Documents;

/// <summary><c>/openapi/v1.json</c> (OpenAPI 3.1) and the page <c>/docs</c>, which is served from here alone: no CDN, no fonts, no telemetry.</summary>
static class OpenApiDocuments
{
    public static void AddDocument(this IServiceCollection services) => services.AddOpenApi("v1", options =>
    {
        options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "Rosetta",
                Version = "v1",
                Description = "Change data capture from PostgreSQL to many destinations. Errors are problem documents (RFC 9457). "
                    + "While the config database is away everything below /api/v1 is answered 503 with Retry-After.",
            };
            document.Servers = [];
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
            {
                ["key"] = new OpenApiSecurityScheme
                {
                    Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "A key of ROSETTA_API_KEYS; none is needed where none is configured.",
                },
            };
            document.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("key", document)] = [] }];
            return Task.CompletedTask;
        });
        options.AddOperationTransformer(DescribeAsync);
        options.AddSchemaTransformer((schema, context, _) =>
        {
            if (context.JsonTypeInfo.Type != typeof(Lsn) && context.JsonTypeInfo.Type != typeof(Lsn?)) return Task.CompletedTask;
            schema.Type = context.JsonTypeInfo.Type == typeof(Lsn) ? JsonSchemaType.String : JsonSchemaType.String | JsonSchemaType.Null;
            schema.Properties?.Clear();
            schema.Description = "A log sequence number, as PostgreSQL prints it: 16/B374D848.";
            return Task.CompletedTask;
        });
    });

    public static void MapDocument(this IEndpointRouteBuilder app)
    {
        app.MapOpenApi("/openapi/{documentName}.json");
        app.MapScalarApiReference("/docs", options =>
        {
            options.WithTitle("Rosetta API").WithOpenApiRoutePattern("/openapi/{documentName}.json");
            options.DefaultFonts = false;
            options.Telemetry = false;
        });
    }

    static async Task DescribeAsync(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        foreach (var item in context.Description.ActionDescriptor.EndpointMetadata)
        {
            if (item is TakesBody body)
            {
                operation.RequestBody = new OpenApiRequestBody
                {
                    Required = !body.IsOptional,
                    Content = new Dictionary<string, OpenApiMediaType>
                    {
                        ["application/json"] = new() { Schema = await context.GetOrCreateSchemaAsync(body.RequestType, null, cancellationToken) },
                    },
                };
                if (body.TextType is { } text) operation.RequestBody.Content![text] = new OpenApiMediaType { Schema = new OpenApiSchema { Type = JsonSchemaType.String } };
            }
            else if (item is UnboundParameter parameter)
            {
                operation.Parameters ??= [];
                if (operation.Parameters.Any(p => p.Name == parameter.Name)) continue;
                operation.Parameters.Add(new OpenApiParameter
                {
                    Name = parameter.Name,
                    In = parameter.InPath ? ParameterLocation.Path : ParameterLocation.Query,
                    Required = parameter.InPath,
                    Description = parameter.Description,
                    Schema = new OpenApiSchema
                    {
                        Type = parameter.Type switch { "integer" => JsonSchemaType.Integer, "boolean" => JsonSchemaType.Boolean, _ => JsonSchemaType.String },
                    },
                });
            }
        }
    }
}
